"""Two backfills of the same partitions in `asteer ui` while `asteer study run` makes the same study: every row once, no word of a lock."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import backfills
import polars as pl
import pytest
import yaml
from tables import differences, made

from asteer_core.paths import data_root
from asteer_core.warehouse import query, warehouse_path
from tests.serving import asteer_ui

CONTESTED = ("steered_corpora", "measurements", "corpus_metrics", "detectors")
"""What both backfills are over; what it reads is there before."""
STUDY = {
    "name": "overlap", "concepts": ["evasion"], "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [0], "strengths": [round(0.1 + 0.05 * step, 2) for step in range(12)]}],
    "controls": {"random": {"layers": [0], "strengths": [0.4]}, "templates": 1}, "sampling": {"max_new_tokens": 40},
    "size": {"prompts": 24}, "metrics": {"m": 8, "subsamples": 2}, "detectors": {"kinds": ["tfidf"], "seeds": 1, "bootstrap": 50},
}  # fmt: skip
STEERED = ("dagster", "cache", "reports", "warehouse*", "runs", "run_partitions", "*~s0.*.parquet")
"""What is left out of a copy of a finished home, so that the steered configurations are to be made again."""
SECONDS = 900
AT_ONCE = """
SELECT coalesce(max(runs), 0) FROM (
    SELECT a.stage, count(DISTINCT a.run_id) AS runs FROM runs a JOIN runs b ON a.stage = b.stage AND a.run_id != b.run_id
    WHERE a.started_at < b.started_at + to_seconds(b.seconds) AND b.started_at < a.started_at + to_seconds(a.seconds)
        AND list_contains(['steered_corpora', 'measurements', 'detectors'], a.stage)
    GROUP BY a.stage
)
"""


class World:
    """A data folder, a study, and `asteer study run` in processes of its own."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.environment = {**os.environ, "ASTEER_DATA": str(data), "OMP_NUM_THREADS": "1"}
        self.study = folder / "overlap.yaml"
        self.study.write_text(yaml.safe_dump(STUDY))

    def start(self, home: Path) -> subprocess.Popen:
        """Return a running `asteer study run`; what it prints goes to `run.log` of its home."""
        command = [sys.executable, "-m", "asteer_pipeline.cli", "study", "run", str(self.study), "--home", str(home)]
        with (home / "run.log").open("w") as stream:
            return subprocess.Popen(command, env=self.environment, stdout=stream, stderr=stream)

    def uninterrupted(self, home: Path) -> Path:
        """Return the home in which nothing disturbed the study."""
        home.mkdir()
        assert self.start(home).wait(SECONDS) == 0, (home / "run.log").read_text()
        return home


@pytest.fixture(scope="module")
def world(reduced_data, tmp_path_factory):
    data = reduced_data(("evasion",), {"pairs.jsonl": 12, "prompts.jsonl": 24, "judge.jsonl": 24, "real.jsonl": 20})
    shutil.copy(data_root() / "dagster.yaml", data)
    return World(data, tmp_path_factory.mktemp("overlap"))


def at_work(served):
    """Return the runs that have left the queue."""
    return [run for run, status in backfills.runs(served).items() if status not in ("QUEUED", "NOT_STARTED")]


def two_backfills_and_a_study_run(world, home):
    """Let all three make the study in one home; return how the backfills and their runs ended, and what the runs complained of."""
    with asteer_ui(world.study, home) as served:
        served.until(lambda: served.ask(backfills.READY), SECONDS)
        started = [backfills.launch(served, CONTESTED) for _ in range(2)]
        # The process of a run takes as long to start as the one of the command.
        served.until(lambda: at_work(served), SECONDS)
        running = world.start(home)
        ended = served.until(lambda: backfills.ended(served, started), SECONDS)
        assert running.wait(SECONDS) == 0, (home / "run.log").read_text()
        return ended, backfills.runs(served), backfills.complaints(served)


def test_two_backfills_and_a_study_run_over_the_same_partitions_make_each_once(world, tmp_path, figure, monkeypatch):
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    undisturbed, home = world.uninterrupted(tmp_path / "undisturbed"), tmp_path / "home"
    shutil.copytree(undisturbed, home, ignore=shutil.ignore_patterns(*STEERED))
    backfills.with_gpus(home, 2)
    began = time.monotonic()
    ended, runs, complaints = two_backfills_and_a_study_run(world, home)
    seconds = time.monotonic() - began
    assert set(ended.values()) == {"COMPLETED_SUCCESS"} and set(runs.values()) == {"SUCCESS"}
    assert complaints == []
    assert backfills.unwanted(home, home / "run.log") == []
    once = made(warehouse_path(undisturbed)).filter(pl.col("stage").is_in(CONTESTED))
    found = made(warehouse_path(home))
    assert found.rows() == once.rows(), "each partition was made, and by one run"
    assert differences(warehouse_path(undisturbed), warehouse_path(home)) == {}
    together = query(AT_ONCE, warehouse_path(home)).item()
    # All three where the machine has time for them; the third may start late where it has not.
    assert together >= 2, "two backfills and the command were to work on one stage at the same time"
    figure("two backfills and a study run at once: partitions made", found.height, f"{found.height - len(set(found.rows()))} twice")
    figure("beside them", f"{len(runs)} Dagster runs", f"{seconds:.0f} s; up to {together} at one stage at a time")
