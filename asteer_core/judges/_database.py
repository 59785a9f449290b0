"""A SQLite file that threads and processes share, for what a judge must not lose: verdicts that are paid for, and what is spent.

Not here: its tables (`_verdict_cache.py`, `_ledger.py`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from asteer_core.errors import StoreError


class Database:
    """Runs one statement at a time, each in a transaction of its own.

    Args:
        path: the file; its folder is made. None keeps everything in memory.
        trouble: the rest of the error's message after the file's name; what SQLite says stands for `{}`.

    Raises:
        StoreError: the folder cannot be made; from `run`: the file cannot be used.
    """

    def __init__(self, path: Path | None, trouble: str) -> None:
        self._path, self._trouble, self._lock = path, trouble, threading.Lock()
        self._memory = sqlite3.connect(":memory:", check_same_thread=False) if path is None else None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: the cache's folder cannot be made ({error}); choose a writable one") from None

    def run(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple]:
        """Return the rows of a statement."""
        try:
            with self._lock:
                if self._memory is not None:
                    with self._memory:
                        return self._memory.execute(statement, values).fetchall()
                # A connection per statement: SQLite connections belong to one thread, and a verdict costs far more than opening one.
                with closing(sqlite3.connect(str(self._path), timeout=30)) as connection, connection:
                    return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {self._trouble.format(error)}") from None
