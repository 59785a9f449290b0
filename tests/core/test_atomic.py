"""A file is written whole or not at all, and what killed writers left goes with the next write; what the living write stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asteer_core import atomic
from asteer_core.atomic import write_whole
from asteer_core.panics import panics_are_errors
from asteer_core.processes import is_gone, machine

HALF = """
import os, sys
from pathlib import Path
from asteer_core.atomic import write_whole
write_whole(Path(sys.argv[1]), lambda path: (path.write_text("half"), os._exit(9)))
"""


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    monkeypatch.setattr(atomic, "_swept", set())


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_what_a_killed_writer_left_goes_with_the_next_write_to_the_folder(tmp_path):
    assert subprocess.run([sys.executable, "-c", HALF, str(tmp_path / "a.txt")]).returncode == 9
    assert len(hidden(tmp_path)) == 1 and not (tmp_path / "a.txt").exists()
    write_whole(tmp_path / "b.txt", lambda path: path.write_text("b"))
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_files_of_living_writers_other_machines_and_others_altogether_stay(tmp_path):
    mine = f".a.txt.{atomic._here()}-{os.getpid()}-abcdef.tmp"
    names = [mine, ".a.txt.00000000-999999999-abcdef.tmp", ".old.tmp", ".a.txt.12345678.tmp", "a.tmp"]
    for name in names:
        (tmp_path / name).write_text("x")
    write_whole(tmp_path / "b.txt", lambda path: path.write_text("b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "b.txt"])


def test_the_longest_partition_has_a_name_that_file_systems_take(tmp_path):
    longest = "~".join(["m" * 64, "n" * 64, "L00", "s0.40", "t" * 64]) + ".parquet"
    write_whole(tmp_path / longest, lambda path: path.write_text("x"))
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_only_a_process_of_this_machine_can_be_told_to_be_gone():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(machine(), str(ended.pid)) and not is_gone(machine(), str(os.getpid()))
    assert not is_gone("elsewhere", str(ended.pid)) and not is_gone(machine(), "x")


def test_a_panic_of_polars_is_an_error_and_an_interrupt_stays_one():
    from polars.exceptions import PanicException, PolarsError

    with pytest.raises(PolarsError, match="damaged"), panics_are_errors():
        raise PanicException("called `Result::unwrap()`")
    with pytest.raises(KeyboardInterrupt), panics_are_errors():
        raise KeyboardInterrupt
