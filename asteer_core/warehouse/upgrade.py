"""A warehouse of an older version is published again from the parquet files, which every version reads.

Belongs here: which stores a home has, and what to do with a warehouse of another version. Does not: building it (`publish.py`).
A store needs no migration: its columns are read by name, a column that is missing is NULL, one that is new is kept. A change
that this cannot express belongs here, as a step that writes the partitions anew.
"""

from dataclasses import dataclass
from pathlib import Path

from asteer_core.errors import StoreError
from asteer_core.warehouse.files import folders
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.publish import publish
from asteer_core.warehouse.query import open_read_only, schema_version, warehouse_path
from asteer_core.warehouse.schemas import SCHEMA_VERSION


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade found and did. `found` is the old schema version: 0 = none named, None = no warehouse or an empty one."""

    path: Path
    found: int | None
    studies: tuple[str, ...]


def stores_of(home: Path) -> dict[str, Path]:
    """Return study -> store of every study of a home, or of `ASTEER_STORE` where that is set, sorted by name."""
    return {folder.name: folder for folder in folders(studies(home))}


def upgrade(home: Path) -> Upgrade:
    """Publish the warehouse of a home again from all its stores, whatever version it had, and return what was done.

    Raises:
        StoreError: the home has no study, a newer Asteer made the warehouse, or a parquet file is broken; nothing has changed.
    """
    path, stores = warehouse_path(home), stores_of(home)
    if not stores:
        raise StoreError(f"{studies(home)}: no study there; run one (`asteer study run`), or name its home with --home")
    found = _found(path)
    if found is not None and found > SCHEMA_VERSION:
        raise StoreError(f"{path}: schema version {found}, made by a newer Asteer; this one writes {SCHEMA_VERSION}. Update Asteer instead")
    publish(stores, path)
    return Upgrade(path, found, tuple(stores))


def _found(path: Path) -> int | None:
    if not path.is_file():
        return None
    try:
        connection = open_read_only(path)
    except StoreError:
        # Not a database this version reads: there is nothing in it that the parquet files do not have.
        return 0
    try:
        return schema_version(connection)
    finally:
        connection.close()
