"""What has been spent, in memory or in a file that processes share, so that a budget holds over restarts and over several runs at once.

Not here: limits and prices (`_budget.py`). The file is the cache's (`_verdict_cache.py`): it holds account names and sums, no text.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from asteer_core.errors import StoreError


class Ledger:
    """One account. A process that is killed between a call and its settlement leaves the call counted at its highest cost.

    Args:
        path: SQLite file; None keeps the account in memory.
        account: its name in the file.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path | None = None, account: str = "") -> None:
        self._path, self._account, self._lock = path, account, threading.Lock()
        self._memory = sqlite3.connect(":memory:", check_same_thread=False) if path is None else None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._run("CREATE TABLE IF NOT EXISTS spent (account TEXT PRIMARY KEY, dollars REAL NOT NULL, calls INTEGER NOT NULL)")
        self._run("INSERT OR IGNORE INTO spent VALUES (?, 0, 0)", (account,))

    def spent(self) -> tuple[float, int]:
        """Return dollars and calls so far, what is set aside included."""
        [(dollars, calls)] = self._run("SELECT dollars, calls FROM spent WHERE account = ?", (self._account,))
        return float(dollars), int(calls)

    def reserve(self, dollars: float, most_dollars: float | None, most_calls: int | None) -> bool:
        """Count one call of so many dollars unless it would cross a limit; return whether it was counted."""
        # One statement, so that of several processes none counts from a sum that another has changed.
        counted = self._run(
            "UPDATE spent SET dollars = dollars + :cost, calls = calls + 1 WHERE account = :account "
            "AND (:dollars IS NULL OR dollars + :cost <= :dollars) AND (:calls IS NULL OR calls < :calls) RETURNING calls",
            {"cost": dollars, "account": self._account, "dollars": most_dollars, "calls": most_calls},
        )
        return bool(counted)

    def add(self, dollars: float) -> None:
        """Add dollars (negative: give back)."""
        self._run("UPDATE spent SET dollars = dollars + ? WHERE account = ?", (dollars, self._account))

    def _run(self, statement: str, values: tuple | dict = ()) -> list[tuple]:
        try:
            with self._lock:
                if self._memory is not None:
                    with self._memory:
                        return self._memory.execute(statement, values).fetchall()
                with closing(sqlite3.connect(str(self._path), timeout=30)) as connection, connection:
                    return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: spending cannot be counted ({error}); check the disk, nothing was sent") from None
