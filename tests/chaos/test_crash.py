"""A study that is killed again and again ends with the same rows as one that nothing disturbed, and makes finished work once."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

import pytest
from faults import MOMENTS
from tables import differences

from asteer_core.warehouse import Store, publish, warehouse_path

KILLS = {"ci": 8, "full": 36}
CLOCK = "by the clock"
MOST = {"half a partition": 12, "half a checkpoint": 12, "before the flush": 30, "before the rename": 45, "after the rename": 45,
        "after a row": 30, "in the warehouse": 14}  # fmt: skip
"""How far into a study a moment is looked for; a study that ends before it is compared, and the next one begins."""


class Log:
    """The rows that a home's runs generated, in order."""

    def __init__(self, home):
        self.path = home / "rows.tsv"

    def rows(self):
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(name, int(tokens)) for name, tokens in (line.split("\t") for line in lines)]


def orders(seconds):
    """Yield (moment, faults) for ever: every moment in turn, at a place drawn with a fixed seed."""
    draw = random.Random(0)
    moments = [*MOMENTS, CLOCK]
    while True:
        draw.shuffle(moments)
        for moment in moments:
            if moment == CLOCK:
                yield moment, {"kill_after": [draw.uniform(0.1, seconds)]}
            else:
                yield moment, {"kill_at": [moment, 1 + int(MOST[moment] * draw.random() ** 2)]}


@dataclass
class Tally:
    """What the killed runs did."""

    kills: Counter = field(default_factory=Counter)
    studies: int = 0
    repeated: list = field(default_factory=list)
    seconds: float = 0.0


def interrupted_run(fork, log, tally, moment, faults):
    """Go on with a study and return whether the run came to its end; each generated row is seen on disk."""
    before = Counter(name for name, _ in log.rows())
    ended = fork.study_run(log.path.parent, "resume", rows_to=[str(log.path)], **faults)
    assert "Traceback" not in ended["output"], ended["output"]
    tally.seconds += ended["seconds"]
    new = Counter(name for name, _ in log.rows()) - before
    tokens = dict(log.rows())
    tally.repeated += [tokens[name] for name, count in new.items() for _ in range(count - (name not in before))]
    if ended["signal"] == signal.SIGKILL:
        tally.kills[moment] += 1
        return False
    assert ended["code"] == 0, ended["output"]
    return True


def test_a_killed_study_ends_as_one_that_nothing_disturbed(fork, uninterrupted, tmp_path, full, figure):
    wanted, tally = KILLS["full" if full else "ci"], Tally()
    for moment, faults in orders(uninterrupted["seconds"]):
        last = tally.kills.total() >= wanted
        home = tmp_path / str(tally.studies)
        home.mkdir(exist_ok=True)
        if interrupted_run(fork, Log(home), tally, moment, {} if last else faults):
            assert differences(warehouse_path(uninterrupted["home"]), warehouse_path(home)) == {}
            assert [path for path in home.rglob("*.lease") if path.is_file()] == []
            tally.studies += 1
            if last:
                break
    total, repeated = tally.kills.total(), tally.repeated
    assert total >= wanted and len(tally.kills) >= 6
    # A checkpoint follows each row here, so that a kill costs the row whose file it hits and nothing that was on disk.
    assert len(repeated) <= sum(tally.kills[moment] for moment in ("half a checkpoint", "before the rename", "after a row", CLOCK))
    figure("kills", total, ", ".join(f"{count} {moment}" for moment, count in sorted(tally.kills.items())))
    figure("studies finished after kills, each equal row for row", tally.studies)
    figure("rows generated twice", len(repeated), f"{sum(repeated)} tokens, {sum(repeated) / total:.1f} per kill")
    figure("seconds of an uninterrupted study", round(uninterrupted["seconds"], 1))
    figure("seconds of runs per kill", round(tally.seconds / total, 1))


def test_what_a_kill_loses_lies_between_two_checkpoints(fork, uninterrupted, tmp_path, figure):
    rows = Log(uninterrupted["home"]).rows()
    home = tmp_path / "home"
    home.mkdir()
    log = Log(home)
    ended = fork.study_run(home, rows_to=[str(log.path)], kill_at=["after a row", 10])
    assert ended["signal"] == signal.SIGKILL and len(log.rows()) in (9, 10)
    assert fork.study_run(home, "resume", rows_to=[str(log.path)])["code"] == 0
    made = Counter(name for name, _ in log.rows())
    assert set(made) == {name for name, _ in rows}
    assert sum(made.values()) - len(made) <= 1


def test_the_documented_line_resumes_in_a_process_of_its_own(fork, uninterrupted, tiny_data, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert fork.study_run(home, kill_at=["before the rename", 12])["signal"] == signal.SIGKILL
    command = [sys.executable, "-m", "asteer_pipeline.cli", "study", "resume", str(fork.study), "--home", str(home)]
    environment = {**os.environ, "ASTEER_DATA": str(tiny_data), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert differences(warehouse_path(uninterrupted["home"]), warehouse_path(home)) == {}


def test_the_comparison_sees_one_changed_row(uninterrupted, tmp_path):
    store = shutil.copytree(uninterrupted["home"] / "studies" / "chaos", tmp_path / "studies" / "chaos")
    part = next((store / "responses").rglob("*.parquet"))
    concept, key = part.parent.name.removeprefix("concept="), part.stem.replace("~", ":")
    frame = Store(store).read("responses", concept, key)
    Store(store).write("responses", frame.head(frame.height - 1), "x", concept, key)
    publish({"chaos": store}, warehouse_path(tmp_path))
    assert "responses" in differences(warehouse_path(uninterrupted["home"]), warehouse_path(tmp_path))


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_every_moment_of_the_crash_test_exists(fork, tmp_path, moment, full):
    if full:
        # With a checkpoint after each row: a study of seconds would end before the first.
        ended = fork.study_run(tmp_path, rows_to=[str(tmp_path / "rows.tsv")], kill_at=[moment, 1])
        assert ended["signal"] == signal.SIGKILL
    else:
        assert moment in MOST
