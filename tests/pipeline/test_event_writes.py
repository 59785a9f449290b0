"""Cheaper event writes: nothing is lost when the process dies, and nothing stays changed afterwards."""

import os
import sqlite3
import subprocess
import sys

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from asteer_pipeline.event_writes import fewer_flushes

CRASH = """
import os, sys, sqlalchemy as sa
from sqlalchemy.pool import NullPool
from asteer_pipeline.event_writes import fewer_flushes
with fewer_flushes():
    engine = sa.create_engine("sqlite:///" + sys.argv[1], poolclass=NullPool)
    with engine.connect() as c:
        c.execute(sa.text("PRAGMA journal_mode=WAL"))
    for i in range(50):
        with engine.begin() as c:
            c.execute(sa.text("CREATE TABLE IF NOT EXISTS t (i)"))
            c.execute(sa.text(f"INSERT INTO t VALUES ({i})"))
    os._exit(9)
"""


def test_what_was_committed_survives_a_killed_process(tmp_path):
    path = tmp_path / "events.db"
    done = subprocess.run([sys.executable, "-c", CRASH, str(path)], cwd=os.getcwd())
    assert done.returncode == 9
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (50,)
    connection.close()


def test_inside_the_log_is_kept_and_afterwards_everything_is_as_before(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'events.db'}", poolclass=NullPool)

    def write():
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS t (i)"))
        with engine.connect() as connection:
            return connection.execute(sa.text("PRAGMA synchronous")).scalar()

    with engine.connect() as connection:
        connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    with fewer_flushes():
        assert write() == 1
        assert (tmp_path / "events.db-wal").exists()
    assert not (tmp_path / "events.db-wal").exists()
    assert write() == 2
