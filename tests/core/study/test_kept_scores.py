"""A kill while detectors train that take long costs the training under way, not those that are finished."""

import numpy as np
import polars as pl
import pytest

from asteer_core.detectors.tfidf import TfidfKind
from asteer_core.study import Workspace, parse_study, run_line, stages
from asteer_core.study.stages._kept_scores import KeptScores

CELL = ("evasion", "neox-2m")
TABLES = ("detector_scores", "detector_metrics", "detector_domains")
ARMS, SEEDS = 5, 2
"""Unsteered, two prompted, one random direction, and the real positives."""


@pytest.fixture(scope="module")
def generated(small_study, small_data, tmp_path_factory):
    """A workspace whose corpora are made, and no detector."""
    value = small_study.model_dump(mode="json") | {"concepts": ["evasion"]}
    value["detectors"] = {"kinds": ["tfidf", "embedding"], "seeds": SEEDS, "bootstrap": 50}
    ws = Workspace(parse_study(value, "small"), home=tmp_path_factory.mktemp("home"), data_root=small_data)
    for _ in run_line(ws, until="steered_corpora"):
        pass
    return ws


@pytest.fixture
def trainings(monkeypatch):
    """How many trainings of `tfidf`, which counts as a long one, were begun; the one whose number stands in `killed` is interrupted."""
    begun, fit = {"number": 0, "killed": 0}, TfidfKind.fit

    def counted(self, *args, **kwargs):
        begun["number"] += 1
        if begun["number"] == begun["killed"]:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(TfidfKind, "fit", counted)
    monkeypatch.setattr(TfidfKind, "trains_long", True)
    return begun


def tables(ws):
    return [ws.store.read(table, *CELL) for table in TABLES]


def forget_partition(ws):
    for table in TABLES:
        ws.store.path(table, *CELL).unlink(missing_ok=True)


def test_a_killed_partition_goes_on_after_its_last_finished_training(generated, trainings):
    ws = generated
    list(stages.baseline_detectors(ws, [CELL]))
    assert trainings["number"] == ARMS * SEEDS
    undisturbed = tables(ws)
    by_seed = undisturbed[0].filter(pl.col("arm") == "unsteered", pl.col("detector") == "tfidf").partition_by("detector_seed")
    assert not by_seed[0]["score"].equals(by_seed[1]["score"]), "each seed is a training of its own"
    forget_partition(ws)
    trainings.update(number=0, killed=8)
    with pytest.raises(KeyboardInterrupt):
        list(stages.baseline_detectors(ws, [CELL]))
    kept = list(ws.store.root.rglob("checkpoints/scores/*/*.safetensors"))
    assert len(kept) == 7, "those of long trainings alone"
    kept[0].write_bytes(kept[0].read_bytes()[:-9])  # torn
    trainings.update(number=0, killed=0)
    list(stages.baseline_detectors(ws, [CELL]))
    assert trainings["number"] == ARMS * SEEDS - 6
    assert all(one.equals(other) for one, other in zip(undisturbed, tables(ws), strict=True))
    assert not list(ws.store.root.rglob("checkpoints/scores/*")), "what is stored needs nothing kept"


def test_steered_partitions_keep_theirs_apart_and_other_data_adopt_nothing(generated, trainings):
    ws = generated
    list(stages.baseline_detectors(ws, [CELL]))
    pairs = [(CELL[0], key) for key in ws.plan.configuration_keys]
    trainings.update(number=0, killed=2)
    with pytest.raises(KeyboardInterrupt):
        list(stages.detectors(ws, pairs))
    trainings.update(number=0, killed=0)
    # The corpus is made again from other words: its kept scores are of texts that are gone.
    responses = ws.store.read("responses", *pairs[0])
    ws.store.write("responses", responses.with_columns(pl.col("text") + " indeed"), "another", *pairs[0])
    list(stages.detectors(ws, pairs))
    assert trainings["number"] == SEEDS * len(pairs)


def test_short_trainings_leave_no_file(generated, monkeypatch):
    forget_partition(generated)

    def refused(*_):
        raise AssertionError("a training of milliseconds was kept")

    monkeypatch.setattr(KeptScores, "get", refused)
    monkeypatch.setattr(KeptScores, "__init__", refused)
    assert [done.rows for done in stages.baseline_detectors(generated, [CELL])] == [2 * ARMS]


def test_scores_of_another_length_are_made_again(tmp_path):
    kept = KeptScores(tmp_path / "partition", 3)
    assert kept.get("a", lambda: np.arange(3.0)).tolist() == [0, 1, 2] == kept.get("a", lambda: np.zeros(3)).tolist()
    assert KeptScores(tmp_path / "partition", 4).get("a", lambda: np.ones(4)).tolist() == [1] * 4
    kept.forget()
    assert not (tmp_path / "partition").exists()
