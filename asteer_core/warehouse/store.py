"""The truth on disk or in a bucket: one parquet file per table and partition, each replaced in one step.

Belongs here: paths and content keys. Does not: how a folder differs from a bucket (`places.py`), schemas, SQL, or what the rows mean.
A file carries the hash of everything it was computed from (`content_key`); a stage reuses a file exactly when the hash is
still the same, so a rerun after a kill finds what was finished, and a changed input never passes for a current result.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from asteer_core.errors import StoreError
from asteer_core.versions import asteer_version
from asteer_core.warehouse.files import is_present, local_copy, read_frame, read_metadata, replace_file
from asteer_core.warehouse.leases import Leases
from asteer_core.warehouse.places import is_remote, place

UNPARTITIONED = "all"
_CONTENT_KEY = "asteer.content_key"
_VERSION = "asteer.version"


class Store:
    """Parquet tables of one study under `root`: `<table>/concept=<concept>/<key>.parquet`, or `<table>/<key or all>.parquet`."""

    def __init__(self, root: Path | str) -> None:
        self.root = place(root)

    def path(self, table: str, concept: str | None = None, key: str | None = None) -> Path:
        """Return where a partition lives; ':' in keys becomes '~', which every file system takes."""
        folder = self.root / table if concept is None else self.root / table / f"concept={concept}"
        return folder / f"{(key or UNPARTITIONED).replace(':', '~')}.parquet"

    def artifact(self, kind: str, concept: str, key: str, suffix: str) -> Path:
        """Return the path of a file that is not a table, such as a steering vector."""
        return self.root / "artifacts" / kind / f"concept={concept}" / f"{key.replace(':', '~')}{suffix}"

    def local(self, path: Path, home: Path) -> Path:
        """Return a file of this machine with the content of an artifact: itself, or a copy in the cache of `home`."""
        return local_copy(path, home / "cache" / "store")

    def scratch(self, home: Path) -> Path:
        """Return a folder of this machine for what is worth nothing to another: the store itself unless that is remote."""
        return home / "scratch" / self.root.name if is_remote(self.root) else self.root

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
        try:
            return read_metadata(path).get(_CONTENT_KEY)
        except (pl.exceptions.PolarsError, OSError):
            return None

    def read(self, table: str, concept: str | None = None, key: str | None = None) -> pl.DataFrame:
        """Return one partition.

        Raises:
            StoreError: it is missing or truncated; the message names the file and what to run.
        """
        path = self.path(table, concept, key)
        try:
            return read_frame(path)
        except FileNotFoundError:
            what = f"{table} for {concept or 'the study'}{f', {key}' if key else ''}"
            raise StoreError(f"{path}: not there yet; materialise {what} first") from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); delete the file and run the study again, the rest is kept") from None

    def read_many(self, table: str, partitions: Iterable[tuple[str, str]]) -> pl.DataFrame:
        """Return the named (concept, key) partitions as one frame; those not there yet are left out."""
        frames = [self.read(table, concept, key) for concept, key in partitions if is_present(self.path(table, concept, key))]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
