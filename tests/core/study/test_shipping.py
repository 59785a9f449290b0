"""A study saves the detector that is best on validation, with the scores it had in the study; JSON lines go through it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

from asteer_core import load_detector
from asteer_core.detectors import hindsight
from asteer_core.detectors.ranking import auroc
from asteer_core.errors import ConfigError, DataError
from asteer_core.study import Workspace, parse_study, run_line
from asteer_core.study.detected_rows import detect_rows
from asteer_core.study.shipping import candidates, ship
from asteer_core.study.stages.saved_detectors import folder_of
from asteer_core.study.text_rows import json_records


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_data):
    """A study of one concept through its detectors: TF-IDF alone, half of the real positives replaced."""
    value = {
        "name": "ship", "concepts": ["toxicity"], "models": ["neox-2m"],
        "grid": [{"method": "caa", "layers": [1], "strengths": [0.3, 0.6]}], "controls": {"templates": 1},
        "sampling": {"max_new_tokens": 12}, "size": {"prompts": 16}, "metrics": {"m": 8, "subsamples": 2},
        "detectors": {"kinds": [{"kind": "tfidf", "name": "floor", "inverse_penalty": 2.0}], "seeds": 2, "bootstrap": 50, "replace": 0.5},
    }  # fmt: skip
    ws = Workspace(parse_study(value, "ship"), home=tmp_path_factory.mktemp("home"), data_root=small_data)
    return ws, list(run_line(ws, until="saved_detectors"))


def test_the_saved_detector_is_the_best_on_validation_and_scores_as_in_the_study(finished):
    ws, _ = finished
    row = ws.store.read("saved_detectors").row(0, named=True)
    steered = candidates(ws, "toxicity").filter(pl.col("arm") == "steered")
    assert row["validation_auroc"] == steered["validation_auroc"].max() and row["n"] == 2
    assert row["best_auroc"] == pytest.approx(steered["auroc"].max(), abs=1e-6) and row["best_auroc"] >= row["auroc"]
    loaded = load_detector(ws.home / row["folder"])
    assert loaded.card.training.replaced == 0.5 and loaded.card.options == {"inverse_penalty": 2.0}
    stored = ws.store.read_many("detector_scores", ws.plan.pairs).filter(
        (pl.col("configuration_id") == row["configuration_id"]) & (pl.col("detector_seed") == 0)
    )
    texts = dict(ws.concept("toxicity").real.select("id", "response").iter_rows())
    np.testing.assert_allclose(loaded.score([texts[one] for one in stored["test_id"]]), stored["score"].to_numpy(), atol=1e-6)


def test_a_second_run_keeps_the_folders_and_a_lost_one_is_made_again(finished):
    ws, _ = finished
    folder = folder_of(ws, "toxicity", "floor")
    before = (folder / "detector.safetensors").read_bytes()
    shutil.rmtree(folder)
    done = [done for stage, done in run_line(ws, until="saved_detectors") if not done.reused]
    assert len(done) == 1 and (folder / "detector.safetensors").read_bytes() == before
    assert all(done.reused for _, done in run_line(ws, until="saved_detectors"))


def test_any_configuration_can_be_asked_for_and_a_wrong_one_names_the_nearest(finished, tmp_path):
    ws, _ = finished
    ship(ws, "toxicity", "neox-2m:real", "floor", tmp_path / "real")
    assert load_detector(tmp_path / "real").card.training.arm == "real"
    with pytest.raises(ConfigError, match="Did you mean 'neox-2m:caa:L01:s0.60'"):
        ship(ws, "toxicity", "neox-2m:caa:L01:s0.61", "floor", tmp_path / "wrong")
    with pytest.raises(ConfigError, match="unknown detector of the study 'flor'. Did you mean 'floor'"):
        ship(ws, "toxicity", "best", "flor", tmp_path / "wrong")


def test_lines_in_lines_out_and_bad_ones_say_why(finished):
    ws, _ = finished
    loaded = load_detector(folder_of(ws, "toxicity", "floor"))
    lines = ['{"id": "a", "response": "you are stupid"}\n', "\n", "not json\n", "[1]\n", '{"text": "fine"}\n', '{"response": 3}\n']
    rows = [row.record() for row in detect_rows(json_records(lines), loaded, 0.5)]
    assert [row["row"] for row in rows] == [1, 3, 4, 5, 6] and rows[0]["id"] == "a"
    assert [row["score"] is None for row in rows] == [False, True, True, False, True]
    assert "not JSON" in rows[1]["error"] and "is int; expected text" in rows[4]["error"]
    assert all(row["label"] == (row["score"] >= 0.5) for row in rows if row["score"] is not None)
    assert json.dumps(rows)
    with pytest.raises(DataError, match="line 3: not JSON"):
        list(detect_rows(json_records(lines), loaded, 0.5, strict=True))


def test_sources_of_test_rows_stand_in_one_table(finished):
    ws, _ = finished
    rows = ws.store.read_many("detector_domains", ws.plan.pairs)
    assert rows["source"].unique().to_list() == ["real.jsonl"] and set(rows["domain"]) == {"in"}
    quality = ws.store.read_many("detector_metrics", ws.plan.pairs)
    assert rows.sort("configuration_id")["auroc"].to_list() == quality.sort("configuration_id")["auroc"].to_list()
    assert quality["judge_overlap"].is_not_null().all()


def test_choosing_on_the_test_set_among_equals_is_optimistic_and_among_one_is_not():
    rng = np.random.default_rng(0)
    labels, groups = np.arange(120) % 2, np.arange(120)
    noise = [rng.random((1, 120)) for _ in range(40)]
    validation = rng.random(40).tolist()
    many = hindsight(labels, noise, groups, validation, np.random.default_rng(1))
    alone = hindsight(labels, noise[:1], groups, validation[:1], np.random.default_rng(1))
    assert many.chosen == int(np.argmax(validation)) and abs(many.auroc - 0.5) < 0.15
    assert many.best == int(np.argmax([auroc(labels, row[0], np.ones((120, 1)))[0] for row in noise])) and many.lo <= many.auroc <= many.hi
    with pytest.raises(DataError, match="a validation AUROC is undefined"):
        hindsight(labels, noise, groups, [float("nan"), *validation[1:]], np.random.default_rng(1))
    assert many.best_auroc > 0.57 and many.optimism > 0.03 and abs(alone.optimism) < 0.02
