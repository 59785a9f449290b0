"""Two times "Materialize all" in one `asteer ui` over an empty home: each partition is made once, as undisturbed commands make it."""

import shutil
import time

import backfills
from tables import differences, made

from asteer_core.warehouse import query, warehouse_path
from tests.serving import asteer_ui

SECONDS = 900
SEARCHED = ("responses", "measurements", "judge_labels", "partitions")
"""Tables in which a search has the rows that it made itself. Those of finished corpora it adopts, and how many those are when it begins is
a matter of time; what it finds is not, and nor is what a row says."""
OTHERWISE = """
SELECT row_id FROM responses AS mine JOIN measurements AS said USING (study, row_id)
WHERE mine.study = 'chaos.search' AND NOT EXISTS (
    SELECT 1 FROM responses AS r JOIN measurements AS m USING (study, row_id)
    WHERE r.study = 'chaos' AND r.row_id = mine.row_id AND r.text = mine.text AND abs(m.judge_probability - said.judge_probability) < 1e-6
)
"""
AT_ONCE = """
SELECT count(DISTINCT a.stage) FROM runs a JOIN runs b ON a.stage = b.stage AND a.run_id != b.run_id
WHERE a.started_at < b.started_at + to_seconds(b.seconds) AND b.started_at < a.started_at + to_seconds(a.seconds)
"""


def by_commands(fork, home, copy):
    """Return a home in which commands, one after the other, made everything that "Materialize all" makes."""
    shutil.copytree(home, copy)
    command = ["optimise", "evasion", "--model", "neox-2m", "--study", str(fork.study), "--home", str(copy)]
    (ended,) = fork.run({"argv": command, "log": str(copy / "optimise.log")})
    assert ended["code"] == 0, (copy / "optimise.log").read_text()
    return copy


def two_backfills_of_everything(study, home):
    """Return how two backfills ended that were launched together, how their runs, what these complained of, and what they recorded.

    The pages launch a selection whose first assets differ in partitions, as the whole graph does, over all partitions.
    """
    with asteer_ui(study, home) as served:
        served.until(lambda: served.ask(backfills.READY), SECONDS)
        everything = backfills.assets(served)
        started = [backfills.launch(served, everything) for _ in range(2)]
        ended = served.until(lambda: backfills.ended(served, started), SECONDS)
        return ended, backfills.runs(served), backfills.complaints(served), backfills.materialised(served)


def test_materialize_all_twice_at_once_from_an_empty_home(fork, tiny_data, uninterrupted, tmp_path, figure, monkeypatch):
    monkeypatch.setenv("ASTEER_DATA", str(tiny_data))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    undisturbed, home = by_commands(fork, uninterrupted["home"], tmp_path / "undisturbed"), tmp_path / "home"
    home.mkdir()
    backfills.with_gpus(home, 2)
    began = time.monotonic()
    ended, runs, complaints, recorded = two_backfills_of_everything(fork.study, home)
    seconds = time.monotonic() - began
    assert set(ended.values()) == {"COMPLETED_SUCCESS"} and set(runs.values()) == {"SUCCESS"}, complaints
    assert complaints == [] and backfills.unwanted(home) == []
    assert set(recorded.values()) == {2}, "each backfill records each partition of every asset once"
    assert made(warehouse_path(home)).rows() == made(warehouse_path(undisturbed)).rows(), "each partition was made, and by one run"
    assert differences(warehouse_path(undisturbed), warehouse_path(home), dict.fromkeys(SEARCHED, "study != 'chaos.search'")) == {}
    assert query(OTHERWISE, warehouse_path(home)).rows() == []
    together = query(AT_ONCE, warehouse_path(home)).item()
    assert together, "the two backfills were to work on one stage at the same time"
    figure("materialize all twice at once: partitions recorded", len(recorded), f"by {len(runs)} Dagster runs in {seconds:.0f} s")
    figure("beside them", f"{together} stages", "on which both backfills were at work at one time")
