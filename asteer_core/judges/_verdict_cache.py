"""Verdicts on disk, so that no response is paid for twice. Holds hashes and grades: no text, no key, no address.

Not here: what goes into the hash of a question (`openai.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asteer_core.judges._database import Database
from asteer_core.judges._reply import Grades

_PART = 500
"""Keys per query; SQLite limits the variables of one statement."""


class VerdictCache:
    """A table from question hash to grades. Safe for several threads and processes; None keeps nothing.

    Raises:
        StoreError: the file cannot be opened, or is not such a table.
    """

    def __init__(self, path: Path | None) -> None:
        self._database: Database | None = None
        if path is None:
            return
        trouble = "the cache of verdicts cannot be used ({}); check the disk, or delete the file; its verdicts are then asked for again"
        self._database = Database(path, trouble)
        self._database.run("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, success INTEGER, coherence INTEGER) WITHOUT ROWID")

    def read(self, keys: Sequence[str]) -> dict[str, Grades]:
        """Return the grades of those keys that are stored."""
        found: dict[str, Grades] = {}
        if self._database is None:
            return found
        for start in range(0, len(keys), _PART):
            part = keys[start : start + _PART]
            marks = ",".join("?" * len(part))
            for key, success, coherence in self._database.run(f"SELECT key, success, coherence FROM verdicts WHERE key IN ({marks})", part):
                found[key] = Grades(success, coherence)
        return found

    def write(self, key: str, grades: Grades) -> None:
        """Store one verdict durably, before the next is paid for."""
        if self._database is not None:
            self._database.run("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", (key, grades.success, grades.coherence))
