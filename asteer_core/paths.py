"""Where things are: the shipped data and the folder for outputs. Nothing here reads or creates a file."""

import os
import re
from pathlib import Path

from asteer_core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """Return the folder that holds concepts, models and presets.

    `ASTEER_DATA` wins; then `data/` beside the package in a checkout; then the copy inside an installed wheel.

    Raises:
        ConfigError: `ASTEER_DATA` is not a folder, or the installation has no data.
    """
    chosen = os.environ.get("ASTEER_DATA")
    if chosen:
        path = Path(chosen).expanduser().resolve()
        if not path.is_dir():
            raise ConfigError(
                f"ASTEER_DATA={chosen!r} is not a folder; point it at a folder laid out like the project's data/, or unset it"
            )
        return path
    checkout = _PACKAGE.parent / "data"
    # A folder named data may lie beside an installed package by chance; beside pyproject.toml it is ours.
    if checkout.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file():
        return checkout
    packaged = _PACKAGE / "_data"
    if packaged.is_dir():
        return packaged
    raise ConfigError(f"no data: neither {checkout} nor {packaged} exists; reinstall asteer, or set ASTEER_DATA to a copy of data/")


def concept_roots(home: Path, data: Path) -> tuple[Path, Path]:
    """Return the folders that concepts are looked for in: those that ship, and the user's own under the home."""
    return data / "concepts", home / "concepts"


def home(chosen: Path | str | None = None) -> Path:
    """Return the folder for outputs as an absolute path: the one chosen, else `ASTEER_HOME`, else `.asteer` in the current folder.

    Raises:
        ConfigError: it is a URL.
    """
    folder = str(chosen or os.environ.get("ASTEER_HOME") or ".asteer")
    # A path made of a URL has lost one of its two slashes.
    if re.match(r"\w{2,}:/", folder):
        raise ConfigError(
            f"the home {folder!r} must be a folder of this machine: caches, the warehouse and Dagster's own files lie there; "
            "to keep the studies' results in an object store, set ASTEER_STORE to this URL"
        )
    return Path(folder).expanduser().resolve()
