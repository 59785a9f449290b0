"""What has been spent, in memory or in a file that processes share, so that a budget holds over restarts and over several runs at once.

Not here: limits and prices (`_budget.py`). The file is the cache's (`_verdict_cache.py`): it holds account names and sums, no text.
"""

from __future__ import annotations

from pathlib import Path

from asteer_core.judges._database import Database


class Ledger:
    """One account. A process that is killed between a call and its settlement leaves the call counted at its highest cost.

    Args:
        path: SQLite file; None keeps the account in memory.
        account: its name in the file.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path | None = None, account: str = "") -> None:
        self._account = account
        self._database = Database(path, "spending cannot be counted ({}); check the disk, nothing was sent")
        self._database.run("CREATE TABLE IF NOT EXISTS spent (account TEXT PRIMARY KEY, dollars REAL NOT NULL, calls INTEGER NOT NULL)")
        self._database.run("INSERT OR IGNORE INTO spent VALUES (?, 0, 0)", (account,))

    def spent(self) -> tuple[float, int]:
        """Return dollars and calls so far, what is set aside included."""
        [(dollars, calls)] = self._database.run("SELECT dollars, calls FROM spent WHERE account = ?", (self._account,))
        return float(dollars), int(calls)

    def reserve(self, dollars: float, most_dollars: float | None, most_calls: int | None) -> bool:
        """Count one call of so many dollars unless it would cross a limit; return whether it was counted."""
        # One statement, so that of several processes none counts from a sum that another has changed.
        counted = self._database.run(
            "UPDATE spent SET dollars = dollars + :cost, calls = calls + 1 WHERE account = :account "
            "AND (:dollars IS NULL OR dollars + :cost <= :dollars) AND (:calls IS NULL OR calls < :calls) RETURNING calls",
            {"cost": dollars, "account": self._account, "dollars": most_dollars, "calls": most_calls},
        )
        return bool(counted)

    def add(self, dollars: float) -> None:
        """Add dollars (negative: give back)."""
        self._database.run("UPDATE spent SET dollars = dollars + ? WHERE account = ?", (dollars, self._account))
