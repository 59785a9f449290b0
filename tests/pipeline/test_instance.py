"""The Dagster instance of a home is made once, whoever starts beside whom, and one that cannot be opened says what to do."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from filelock import FileLock

from asteer_core.errors import ConfigError
from asteer_pipeline import instance as room
from asteer_pipeline.cli.ui import ui_command
from asteer_pipeline.instance import OPENING, dagster_home, opened

SLOW_TO_MARK = """
import sys, time
from pathlib import Path
from dagster._core.storage.event_log.sqlite import sqlite_event_log as storage

mark = storage.stamp_alembic_rev
def slowly(*args, **kwargs):
    print("marking", flush=True)
    time.sleep(2)
    mark(*args, **kwargs)

storage.stamp_alembic_rev = slowly
from asteer_pipeline.instance import opened
with opened(Path(sys.argv[1])) as instance:
    assert instance.get_runs_count() == 0
"""


def test_a_process_that_starts_while_another_makes_the_databases_waits(tmp_path):
    command = [sys.executable, "-c", SLOW_TO_MARK, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], "".join(errors for _, errors in ended)
    with opened(tmp_path) as instance:
        assert instance.get_runs_count() == 0


def test_waiting_for_another_process_ends_with_the_file_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.1)
    with FileLock(dagster_home(tmp_path) / OPENING), pytest.raises(ConfigError, match=OPENING), opened(tmp_path):
        pass


def test_databases_that_cannot_be_opened_are_named_with_what_to_do(tmp_path):
    with opened(tmp_path):
        pass
    [index] = (tmp_path / "dagster").rglob("index.db")
    with closing(sqlite3.connect(index)) as database:
        database.execute("INSERT INTO alembic_version VALUES ('567bc23fd1ac')")
        database.commit()
    with pytest.raises(ConfigError, match=r"cannot open its databases .*move the folder away"), opened(tmp_path):
        pass


def test_the_databases_are_there_before_the_web_interface_starts(home):
    ui_command("quick", home, 3123)
    assert sorted(path.name for path in (home / "dagster").rglob("*.db")) == ["index.db", "runs.db", "schedules.db"]
