"""Fewer disk flushes for Dagster's SQLite files while this process writes many events.

What does not belong here: anything about results; those are parquet files, flushed one by one by their store.

Dagster opens a connection per event and closes it, and the last connection to close flushes the whole write-ahead log: three
flushes per event, 10 events/s on a slow disk. Here one idle connection per file stays open, so the log is folded in now and then,
and `synchronous=NORMAL` flushes at those moments only. A crash of this process loses nothing; a power cut can lose the last events
of the run history (never damage it), and the next run of the study records those partitions again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def fewer_flushes() -> Iterator[None]:
    """While inside, let SQLite connections of this process flush at checkpoints only; at the end everything is flushed."""
    kept: dict[str, sqlite3.Connection] = {}

    def on_connect(connection: Any, _: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("PRAGMA synchronous=NORMAL")
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path:
            # A connection takes part in the write-ahead log only from its first read after the log was switched on.
            idle = kept.get(path) or kept.setdefault(path, sqlite3.connect(path, check_same_thread=False))
            idle.execute("SELECT count(*) FROM sqlite_master").fetchone()

    event.listen(Engine, "connect", on_connect)
    try:
        yield
    finally:
        event.remove(Engine, "connect", on_connect)
        for connection in kept.values():
            connection.close()
