"""Rows of unfinished corpora, kept on disk while a lot is generated, so that a killed run loses seconds and not a lot.

Belongs here: writing, finding and removing such rows. Does not: finished partitions (the store), or generation.

`<store>/checkpoints/<stage>/concept=<concept>/<key>/<content key>-<n>.parquet`. A row's text does not depend on its neighbours, so the
rows that are found complete a corpus as if nothing had happened; rows of another content key are removed when they are met. A
partition's lease keeps others away from its folder.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from asteer_core.model.rows import GeneratedRow
from asteer_core.study.stages._run import Partition
from asteer_core.warehouse.files import read_frame, remove_tree, replace_file, stamps
from asteer_core.warehouse.store import UNPARTITIONED, Store

EVERY_SECONDS = 5.0
"""Time between two writes; with the rows in the engine, this is what a kill costs."""
MOST_PARTS = 32
"""Files of one partition before they are folded into one."""
SCHEMA: dict[str, Any] = {
    "row_id": pl.String, "text": pl.String, "n_tokens": pl.Int64, "steered_tokens": pl.Int64, "finish_reason": pl.String,
    "displacement": pl.Float64,
}  # fmt: skip


class Checkpoint:
    """The rows of one lot. As a context: whatever ends the work inside, an error or a signal, what was finished is on disk.

    Args:
        store: the study's store.
        stage: whose partitions these are.
        keys: partition -> content key of what is being made.
        owners: row id -> its partition.
    """

    def __init__(self, store: Store, stage: str, keys: Mapping[Partition, str], owners: Mapping[str, Partition]) -> None:
        self._root = store.root / "checkpoints" / stage
        self._keys = keys
        self._owners = owners
        self._fresh: dict[Partition, list[GeneratedRow]] = defaultdict(list)
        self._parts: dict[Partition, list[Path]] = defaultdict(list)
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # After success the partitions are stored at once, without these files.
        if error is not None:
            self.flush()

    def load(self) -> list[GeneratedRow]:
        """Return the rows that an interrupted run left of this lot, each once."""
        found: dict[str, GeneratedRow] = {}
        for partition, key in self._keys.items():
            folder = self._folder(partition)
            for file in [folder / name for name in stamps(folder)]:
                rows = _read(file) if file.name.startswith(f"{key}-") else None
                if rows is None:
                    file.unlink(missing_ok=True)
                    continue
                self._parts[partition].append(file)
                found |= {row.row_id: row for row in rows if row.row_id in self._owners}
        return list(found.values())

    def add(self, row: GeneratedRow) -> None:
        """Take a finished row; every few seconds what has come together is written."""
        self._fresh[self._owners[row.row_id]].append(row)
        if time.monotonic() - self._written >= EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write every row that is not on disk yet.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        for partition, rows in self._fresh.items():
            if rows:
                self._write(partition, rows)
        self._fresh.clear()
        self._written = time.monotonic()

    def clear(self, partition: Partition) -> None:
        """Remove what was kept of a partition; it is stored now, or has failed for good."""
        self._fresh.pop(partition, None)
        remove_tree(self._folder(partition))

    def _folder(self, partition: Partition) -> Path:
        concept, key = partition
        return self._root / f"concept={concept}" / (key or UNPARTITIONED).replace(":", "~")

    def _write(self, partition: Partition, rows: list[GeneratedRow]) -> None:
        parts = self._parts[partition]
        folded = parts[:] if len(parts) >= MOST_PARTS else []
        rows = [row for file in folded for row in _read(file) or []] + rows
        file = self._folder(partition) / f"{self._keys[partition]}-{uuid.uuid4().hex[:12]}.parquet"
        # No flush to the platter: a file that a power cut leaves broken is read as absent, and only these seconds are made again.
        replace_file(file, pl.DataFrame([asdict(row) for row in rows], schema=SCHEMA).write_parquet, durable=False)
        for old in folded:
            old.unlink(missing_ok=True)
            parts.remove(old)
        parts.append(file)


def _read(file: Path) -> list[GeneratedRow] | None:
    """Return the rows of a file; None where it is broken or of another layout."""
    try:
        frame = read_frame(file)
        return [GeneratedRow(**row) for row in frame.rows(named=True)]
    except (OSError, TypeError, pl.exceptions.PolarsError):
        return None
