"""Verdicts on disk, so that no response is paid for twice. Holds hashes and grades: no text, no key, no address.

Not here: what goes into the hash of a question (`openai.py`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from asteer_core.errors import StoreError
from asteer_core.judges._reply import Grades

_PART = 500
"""Keys per query; SQLite limits the variables of one statement."""


class VerdictCache:
    """A table from question hash to grades. Safe for several threads and processes; None keeps nothing.

    Raises:
        StoreError: the file cannot be opened, or is not such a table.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: the cache's folder cannot be made ({error}); choose a writable one") from None
        self._run("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, success INTEGER, coherence INTEGER) WITHOUT ROWID")

    def read(self, keys: Sequence[str]) -> dict[str, Grades]:
        """Return the grades of those keys that are stored."""
        found: dict[str, Grades] = {}
        if self._path is None:
            return found
        for start in range(0, len(keys), _PART):
            part = keys[start : start + _PART]
            marks = ",".join("?" * len(part))
            for key, success, coherence in self._run(f"SELECT key, success, coherence FROM verdicts WHERE key IN ({marks})", part):
                found[key] = Grades(success, coherence)
        return found

    def write(self, key: str, grades: Grades) -> None:
        """Store one verdict durably, before the next is paid for."""
        if self._path is not None:
            self._run("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", (key, grades.success, grades.coherence))

    def _run(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:
        try:
            # A connection per statement: SQLite connections belong to one thread, and a verdict costs far more than opening one.
            with self._lock, closing(sqlite3.connect(self._path or "", timeout=30)) as connection, connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._path}: the cache of verdicts cannot be used ({error}); check the disk, or delete the file; its verdicts "
                "are then asked for again"
            ) from None
