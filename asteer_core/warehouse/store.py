"""The truth on disk: one parquet file per table and partition, written to a temporary name and renamed.

Belongs here: paths, atomic writes, content keys. Does not: schemas, SQL (see the neighbours), or what the rows mean.
A file carries the hash of everything it was computed from (`content_key`); a stage reuses a file exactly when the hash is
still the same, so a rerun after a kill finds what was finished, and a changed input never passes for a current result.
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from asteer_core.errors import StoreError
from asteer_core.versions import asteer_version
from asteer_core.warehouse.leases import Leases

UNPARTITIONED = "all"
_CONTENT_KEY = "asteer.content_key"
_VERSION = "asteer.version"


class Store:
    """Parquet tables of one study under `root`: `<table>/concept=<concept>/<key>.parquet`, or `<table>/<key or all>.parquet`."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, table: str, concept: str | None = None, key: str | None = None) -> Path:
        """Return where a partition lives; ':' in keys becomes '~', which every file system takes."""
        folder = self.root / table if concept is None else self.root / table / f"concept={concept}"
        return folder / f"{(key or UNPARTITIONED).replace(':', '~')}.parquet"

    def artifact(self, kind: str, concept: str, key: str, suffix: str) -> Path:
        """Return the path of a file that is not a table, such as a steering vector."""
        return self.root / "artifacts" / kind / f"concept={concept}" / f"{key.replace(':', '~')}{suffix}"

    def leases(self) -> Leases:
        """Return the leases of a new owner on this study's partitions; use it as a context."""
        return Leases(self.root / "leases")

    def write(self, table: str, frame: pl.DataFrame, content_key: str, concept: str | None = None, key: str | None = None) -> Path:
        """Write one partition so that readers see the old file or the new one, never a part, and return its path.

        Raises:
            StoreError: the disk is full or the folder cannot be written; nothing of the partition has changed.
        """
        path = self.path(table, concept, key)
        metadata = {_CONTENT_KEY: content_key, _VERSION: asteer_version()}
        replace_file(path, lambda temporary: frame.write_parquet(temporary, metadata=metadata))
        return path

    def content_key(self, table: str, concept: str | None = None, key: str | None = None) -> str | None:
        """Return the hash of what a stored partition was computed from; None where it is missing or unreadable."""
        path = self.path(table, concept, key)
        if not path.is_file():
            return None
        try:
            return pl.read_parquet_metadata(path).get(_CONTENT_KEY)
        except (pl.exceptions.PolarsError, OSError):
            return None

    def read(self, table: str, concept: str | None = None, key: str | None = None) -> pl.DataFrame:
        """Return one partition.

        Raises:
            StoreError: it is missing or truncated; the message names the file and what to run.
        """
        path = self.path(table, concept, key)
        if not path.is_file():
            raise StoreError(f"{path}: not there yet; materialise {table} for {concept or 'the study'}{f', {key}' if key else ''} first")
        try:
            return pl.read_parquet(path, hive_partitioning=False, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); delete the file and run the study again, the rest is kept") from None

    def read_many(self, table: str, partitions: Iterable[tuple[str, str]]) -> pl.DataFrame:
        """Return the named (concept, key) partitions as one frame; those not there yet are left out."""
        frames = [self.read(table, concept, key) for concept, key in partitions if self.path(table, concept, key).is_file()]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, make it durable, and rename it over `path`.

    Raises:
        StoreError: the folder cannot be written or the disk is full; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        # Without the flush a power cut can leave the new name on an empty file.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"{path}: cannot be written ({error}); free some disk space or set ASTEER_HOME to a writable folder, then run again"
        ) from error
    finally:
        # Where the folder cannot be written, nor can the file be removed; the error above is what counts.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
