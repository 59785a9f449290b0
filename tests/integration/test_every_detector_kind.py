"""A study with every kind of detector, through the line and through Dagster: each kind stands in every table with finite figures."""

import math
import re

import dagster as dg
import polars as pl
import pytest
import yaml

from asteer_core import load_detector
from asteer_core.detectors import DETECTORS
from asteer_core.study import Workspace, load_study, plan, run_line
from asteer_core.study.stages.report import report_path
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.resources import close_workspaces
from asteer_pipeline.runner import run_study

KINDS = ["tfidf", "embedding", "encoder", "activation_probe"]
STUDY = {
    "name": "kinds",
    "concepts": ["toxicity"],
    "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [1], "strengths": [0.3, 0.6]}],
    "controls": {"templates": 1},
    "sampling": {"max_new_tokens": 12},
    "size": {"prompts": 16},
    "metrics": {"m": 8, "subsamples": 2},
    "detectors": {
        "kinds": [
            "tfidf",
            "embedding",
            {"kind": "encoder", "seeds": 1, "epochs": 2, "max_tokens": 48, "batch_size": 8, "learning_rate": 3e-4},
            {"kind": "activation_probe", "model": "neox-2m", "layers": [0]},
            {"kind": "activation_probe", "name": "deep_probe", "model": "neox-2m", "layers": ["100%"]},
        ],
        "seeds": 2,
        "positives": 24,
        "bootstrap": 50,
    },
}
NAMES = {*KINDS, "deep_probe"}


@pytest.fixture(scope="module")
def data(reduced_data):
    return reduced_data(("toxicity",), {"pairs.jsonl": 30, "prompts.jsonl": 40, "judge.jsonl": 60, "real.jsonl": 25})


@pytest.fixture(scope="module", params=["line", "dagster"])
def home(request, tmp_path_factory, data):
    """The home after the study ran to its end, with what it reported on the way."""
    home = tmp_path_factory.mktemp(request.param)
    file = home / "kinds.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    heard = []

    def listen(stage, done, total, note=""):
        heard.append((stage, done, total, note))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTEER_DATA", str(data))
        if request.param == "line":
            for _ in run_line(Workspace(load_study(str(file)), home, progress=listen)):
                pass
        else:
            with dg.DagsterInstance.ephemeral() as instance:
                run_study(str(file), home, progress=listen, instance=instance)
        yield home, file, heard
        close_workspaces()


def test_the_study_names_every_kind_that_ships():
    assert set(KINDS) == set(DETECTORS.names())


@pytest.mark.slow
def test_each_kind_has_finite_figures_in_the_warehouse_and_on_the_leaderboard(home):
    root, file, _ = home
    arms = len(plan(load_study(str(file))).configuration_keys) + 3  # unsteered, prompted, real
    for table in ("detector_metrics", "leaderboard"):
        rows = query(f"SELECT detector, arm, auroc, auroc_lo, auroc_hi FROM {table}", warehouse_path(root))
        assert dict(rows.group_by("detector").len().iter_rows()) == dict.fromkeys(NAMES, arms), table
        assert all(math.isfinite(value) for row in rows.select("auroc", "auroc_lo", "auroc_hi").iter_rows() for value in row)
        assert (rows["auroc_lo"] <= rows["auroc"]).all() and (rows["auroc"] <= rows["auroc_hi"]).all()
    # Trained on real positives, every kind tells violations from compliant replies; the last block of so small a model does not.
    real = query("SELECT detector, auroc FROM detector_metrics WHERE arm = 'real'", warehouse_path(root))
    assert real.filter(pl.col("detector").is_in(KINDS) & (pl.col("auroc") < 0.6)).is_empty(), real


@pytest.mark.slow
def test_each_kind_stands_in_the_report_and_is_saved_as_a_detector_that_scores_as_in_the_study(home):
    root, file, _ = home
    page = report_path(root, "kinds").read_text(encoding="utf-8")
    assert {name for name in NAMES if re.search(rf"\b{name}\b", page)} == NAMES
    saved = query("SELECT detector, configuration_id, folder, optimism FROM saved_detectors", warehouse_path(root))
    assert set(saved["detector"]) == NAMES and saved["optimism"].is_finite().all()
    ws = Workspace(load_study(str(file)), root)
    rows = {row["id"]: row for row in ws.concept("toxicity").real.iter_rows(named=True)}
    blocks = {}
    for one in saved.iter_rows(named=True):
        stored = ws.store.read_many("detector_scores", ws.plan.pairs).filter(
            (pl.col("detector") == one["detector"])
            & (pl.col("configuration_id") == one["configuration_id"])
            & (pl.col("detector_seed") == 0)
        )
        asked = [rows[name] for name in stored["test_id"]]
        loaded = load_detector(root / one["folder"], root)
        scores = loaded.score([row["response"] for row in asked], [row["prompt"] for row in asked])
        assert scores == pytest.approx(stored["score"].to_numpy(), abs=1e-4), one["detector"]
        blocks[one["detector"]] = getattr(loaded.saved.detector, "block", None)
    # Each probe chose among its own blocks, although the other's were read as well.
    assert (blocks["activation_probe"], blocks["deep_probe"]) == (0, ws.depth("neox-2m") - 1)


@pytest.mark.slow
def test_fine_tuning_reports_its_progress_and_leaves_no_checkpoints(home):
    root, _, heard = home
    notes = {note for stage, _, _, note in heard if stage == "fine_tuning"}
    assert any("encoder, seed 0: epoch 2/2" in note for note in notes)
    assert not list((root / "studies" / "kinds").rglob("fine-tuning*"))


@pytest.mark.slow
def test_a_second_run_trains_nothing_again(home, data, monkeypatch):
    root, file, _ = home
    monkeypatch.setenv("ASTEER_DATA", str(data))
    assert [stage for stage, done in run_line(Workspace(load_study(str(file)), root), until="saved_detectors") if not done.reused] == []
