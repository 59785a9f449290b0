"""The Dagster instance of a home: its folder, made from a shipped file, and its databases, made by one process at a time.

What does not belong here: what runs in it (`runner.py`), and what the shipped files say (`data/dagster*.yaml`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from alembic.util.exc import CommandError
from dagster._core.instance import InstanceRef
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from asteer_core.atomic import write_whole
from asteer_core.errors import ConfigError, unknown_name
from asteer_core.paths import data_root

PRESETS = {"local": "dagster.yaml", "server": "dagster-server.yaml", "postgres": "dagster-postgres.yaml"}
"""Preset -> the instance file that ships."""

OPENING = ".opening.lock"
"""Held in the instance's folder while its databases are made or opened."""

PATIENCE = 120.0
"""Seconds to wait for another process that opens the instance, which takes it one or two."""


def dagster_home(root: Path) -> Path:
    """Return the Dagster instance folder of a home, made and configured by ASTEER_PRESET (`local`, `server` or `postgres`) if it is new.

    Raises:
        ConfigError: the folder cannot be written, or there is no such preset.
    """
    folder = root / "dagster"
    preset = os.environ.get("ASTEER_PRESET") or "local"
    if preset not in PRESETS:
        raise unknown_name("ASTEER_PRESET", preset, PRESETS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "dagster.yaml").exists():
            # Whole or not at all: a command that starts beside this one reads it.
            write_whole(folder / "dagster.yaml", lambda path: shutil.copyfile(data_root() / PRESETS[preset], path))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error}); set ASTEER_HOME to a folder that can") from error
    return folder


@contextmanager
def opened(root: Path, overrides: dict[str, Any] | None = None) -> Iterator[dg.DagsterInstance]:
    """Yield the instance of a home, for which `overrides` replace parts of its file.

    Dagster 1.13 marks a new SQLite database with its revision in several steps; a second process between them marks it with another
    one, and nobody can open it again ("more than one head present"). So they open one after the other.

    Raises:
        ConfigError: the folder cannot be written, there is no such preset, another process has held the lock for `PATIENCE` seconds, or
            the databases cannot be opened.
    """
    folder = dagster_home(root)
    reference = InstanceRef.from_dir(str(folder), overrides=overrides)
    with _alone(folder):
        instance = _open(reference, folder)
    with instance:
        yield instance


def make_ready(root: Path) -> Path:
    """Return the instance folder of a home with its databases made, so that Dagster's processes can start on it together.

    Raises:
        ConfigError: as `opened`.
    """
    with opened(root):
        return dagster_home(root)


def _open(reference: InstanceRef, folder: Path) -> dg.DagsterInstance:
    try:
        instance = dg.DagsterInstance.from_ref(reference)
        # Databases that exist are opened by the first question to each.
        instance.get_runs_count()
        instance.has_asset_key(dg.AssetKey("warehouse"))
    except (CommandError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise ConfigError(
            f"{folder}: Dagster cannot open its databases ({reason}); check `storage` in {folder / 'dagster.yaml'}. If their files are "
            "damaged, move the folder away and run again: results are stored beside it, and the next run takes them over"
        ) from error
    return instance


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / OPENING)
    try:
        lock.acquire(timeout=PATIENCE)
    except TimeoutError:
        raise ConfigError(
            f"{folder / OPENING}: another process has been opening Dagster's databases for {PATIENCE:.0f} s; end it and start again"
        ) from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error}); set ASTEER_HOME to a folder that can") from error
    try:
        yield
    finally:
        lock.release()
