"""Which code made a number: the version of this package and of the libraries that results depend on. Nothing is imported for it."""

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "transformers", "sentence-transformers", "scikit-learn", "scipy", "numpy", "polars", "duckdb")


@cache
def asteer_version() -> str:
    """Return the version of this package: that of the checkout it runs from, else the installed one."""
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text("utf-8"))["project"]["version"]
    return _installed("asteer") or "unknown"


@cache
def library_versions() -> dict[str, str]:
    """Return the installed version of each library that results depend on."""
    return {name: found for name in LIBRARIES if (found := _installed(name))}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
