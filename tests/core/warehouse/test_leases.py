"""Leases: one owner at a time, the dead are replaced, the living are not, and a stage of two runs makes each partition once."""

import os
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from asteer_core.study.done import PartialFailure
from asteer_core.study.stages import _run
from asteer_core.study.stages._run import Stage
from asteer_core.warehouse import Store, leases
from asteer_core.warehouse.leases import Leases


def test_a_thing_is_leased_to_one_owner_until_it_is_given_back(tmp_path):
    with Leases(tmp_path) as first, Leases(tmp_path) as second:
        assert first.acquire("stage", "toxicity", "m:caa") and first.acquire("stage", "toxicity", "m:caa")
        assert not second.acquire("stage", "toxicity", "m:caa")
        assert second.holder("stage", "toxicity", "m:caa") == first.owner
        second.release("stage", "toxicity", "m:caa")
        assert second.holder("stage", "toxicity", "m:caa") == first.owner
        first.release("stage", "toxicity", "m:caa")
        assert second.acquire("stage", "toxicity", "m:caa")


def test_leaving_gives_everything_back(tmp_path):
    with Leases(tmp_path) as first:
        first.acquire("a", "b")
    assert not list(tmp_path.rglob("*.lease")) and not list((tmp_path / "owners").iterdir())


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from asteer_core.warehouse.leases import Leases; "
        "leases = Leases(Path(sys.argv[1])); leases.__enter__(); print(leases.acquire('a', 'b'), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert killed.stdout == "True\n" and killed.returncode == -9
    with Leases(tmp_path) as mine:
        assert mine.holder("a", "b") != mine.owner
        assert mine.acquire("a", "b")


def test_a_lease_that_a_killed_process_left_goes_when_another_run_ends_and_those_of_others_stay(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from asteer_core.warehouse.leases import Leases; "
        "leases = Leases(Path(sys.argv[1])); leases.__enter__(); leases.acquire('c', 'd'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    sign = foreign(tmp_path)
    with Leases(tmp_path) as living:
        living.acquire("e", "f")
        with Leases(tmp_path):
            assert (tmp_path / "c" / "d.lease").is_file()
        assert not (tmp_path / "c" / "d.lease").exists()
        assert (tmp_path / "e" / "f.lease").is_file() and (tmp_path / "a" / "b.lease").is_file()
        assert sorted(path.name for path in (tmp_path / "owners").iterdir()) == sorted([living.owner, sign.name])


def foreign(tmp_path):
    """The lease of an owner on another machine."""
    (tmp_path / "owners").mkdir(exist_ok=True)
    (tmp_path / "owners" / "elsewhere.1.x").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.lease").write_text("elsewhere.1.x")
    return tmp_path / "owners" / "elsewhere.1.x"


def test_an_owner_elsewhere_is_dead_when_its_file_stands_still_whatever_the_clocks_say(tmp_path, monkeypatch):
    sign = foreign(tmp_path)
    os.utime(sign, (0, 0))  # a clock that is decades behind
    monkeypatch.setattr(leases, "EXPIRY_SECONDS", 0.2)
    with Leases(tmp_path) as mine:
        assert not mine.acquire("a", "b")
        time.sleep(0.25)
        os.utime(sign, (1, 1))
        assert not mine.acquire("a", "b"), "it has moved since the last look"
        time.sleep(0.25)
        assert mine.acquire("a", "b")


def test_an_owner_whose_file_is_gone_is_given_time_too(tmp_path, monkeypatch):
    foreign(tmp_path).unlink()
    monkeypatch.setattr(leases, "EXPIRY_SECONDS", 0.1)
    with Leases(tmp_path) as mine:
        assert not mine.acquire("a", "b")
        time.sleep(0.15)
        assert mine.acquire("a", "b")


class Space:
    """The part of a workspace that the frame of a stage uses."""

    def __init__(self, root):
        self.store = Store(root)
        self.notes = []

    def report(self, stage, done, total, note=""):
        self.notes.append(note)


def slow_stage(made, seconds=0.05, broken=()):
    def produce(ws, partitions, failures):
        for partition in partitions:
            time.sleep(seconds)
            made.append(partition)
            if partition in broken:
                failures.add(*partition, ValueError("broken"))
            else:
                yield partition, {"t": pl.DataFrame({"x": [1]})}

    return Stage("s", "t", lambda ws, concept, key: f"{concept}-{key}", produce)


@pytest.fixture
def quick_looks(monkeypatch):
    monkeypatch.setattr(_run, "LOOK_SECONDS", 0.02)


def test_overlapping_runs_make_each_partition_once_and_both_report_all(tmp_path, quick_looks):
    partitions, made, reports = [("c", f"k{n}") for n in range(12)], [], {}
    stage = slow_stage(made)

    def run(name, wanted):
        reports[name] = list(stage.run(Space(tmp_path), wanted))

    threads = [
        threading.Thread(target=run, args=(name, wanted))
        for name, wanted in (("a", partitions[:8]), ("b", partitions[4:]), ("c", partitions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(made) == sorted(partitions)
    assert {name: len(found) for name, found in reports.items()} == {"a": 8, "b": 8, "c": 12}
    assert sum(not done.reused for found in reports.values() for done in found) == 12
    assert not list(tmp_path.rglob("*.lease"))


def test_what_fails_elsewhere_is_tried_by_the_one_who_waited(tmp_path, quick_looks):
    made = []
    stage = slow_stage(made, broken=[("c", "k0")])
    failures = []

    def run():
        try:
            list(stage.run(Space(tmp_path), [("c", "k0"), ("c", "k1")]))
        except PartialFailure as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(failures) == 2 and made.count(("c", "k1")) == 1 and made.count(("c", "k0")) == 2


def test_a_run_that_waits_says_for_whom(tmp_path, quick_looks):
    space = Space(tmp_path)
    with Leases(tmp_path / "leases") as other:
        other.acquire("s", "c", "k")
        threading.Timer(0.2, lambda: other.release("s", "c", "k")).start()
        assert len(list(slow_stage([]).run(space, [("c", "k")]))) == 1
        assert f"waiting for 1 partitions that another run makes ({other.owner})" in space.notes


def test_a_partition_is_current_while_its_inputs_are(tmp_path):
    stage, space = slow_stage([], seconds=0), Space(tmp_path)
    assert not stage.current(space, ("c", "k"))
    list(stage.run(space, [("c", "k")]))
    assert stage.current(space, ("c", "k"))
    assert not Stage("s", "t", lambda ws, concept, key: "other", stage.produce).current(space, ("c", "k"))
