"""A model is dropped into a folder while Dagster runs: the daemon notices, and its rows reach the warehouse by themselves."""

import shutil
import time

import pytest
import yaml

from asteer_core.errors import AsteerError
from asteer_core.paths import data_root
from asteer_core.study import Workspace, load_study, run_line
from asteer_core.warehouse import query
from tests.serving import asteer_ui

STUDY = {
    "name": "watch", "concepts": ["toxicity"], "models": "all", "grid": [{"method": "caa", "layers": ["50%"], "strengths": [0.4]}],
    "controls": {"templates": 1}, "sampling": {"max_new_tokens": 16}, "size": {"prompts": 12}, "metrics": {"m": 6, "subsamples": 3},
    "detectors": {"kinds": ["tfidf"], "seeds": 2, "bootstrap": 50},
}  # fmt: skip
REGISTRY = [
    {"name": "neox-2m", "source": "models/neox-2m", "scorer": "llama-3m"},
    {"name": "llama-3m", "source": "models/llama-3m", "scorer": "neox-2m", "retired": True},
]
RUNS = "{ runsOrError { ... on Runs { results { status jobName tags { key value } } } } }"
KEYS = """
{ assetNodes(assetKeys: [{path: ["steered_corpora"]}]) { partitionKeysByDimension { name partitionKeys } } }
"""
SECONDS = 900


@pytest.fixture
def world(tmp_path, monkeypatch, reduced_data):
    """A home in which a study over all models is finished."""
    data = reduced_data(("toxicity",), {"pairs.jsonl": 30, "prompts.jsonl": 12, "judge.jsonl": 60, "real.jsonl": 40})
    (data / "models.yaml").write_text(yaml.safe_dump(REGISTRY))
    shutil.copy(data_root() / "dagster.yaml", data)
    monkeypatch.setenv("ASTEER_DATA", str(data))
    home = tmp_path / "home"
    home.mkdir()
    study = tmp_path / "watch.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    list(run_line(Workspace(load_study(study, home), home)))
    return home, study


@pytest.fixture
def served(world, monkeypatch):
    """A running `asteer ui` with automation on."""
    home, study = world
    monkeypatch.setenv("ASTEER_AUTOMATION", "on")
    monkeypatch.setenv("ASTEER_SENSOR_SECONDS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with asteer_ui(study, home) as running:
        yield running


def rows(home):
    try:
        joined = "corpus_metrics m JOIN detector_metrics d USING (configuration_id)"
        return query(f"SELECT d.auroc FROM {joined} WHERE m.model = 'newcomer'", home / "warehouse.duckdb").height
    except AsteerError:
        return 0


def runs(served):
    found = served.ask(RUNS)
    return found["runsOrError"]["results"] if found else []


def model_keys(served):
    found = served.ask(KEYS)
    nodes = found["assetNodes"] if found else []
    return {key.split(":")[0] for node in nodes for axis in node["partitionKeysByDimension"] for key in axis["partitionKeys"]}


@pytest.mark.slow
def test_a_model_dropped_into_the_folder_reaches_the_warehouse_by_itself(world, served, record_property):
    home, _ = world
    served.until(lambda: "neox-2m" in model_keys(served), SECONDS)
    assert rows(home) == 0 and "newcomer" not in model_keys(served)
    shutil.copytree(data_root() / "models" / "llama-3m", home / "models" / "newcomer")
    started = time.monotonic()
    found = served.until(lambda: rows(home), SECONDS)
    record_property("seconds_from_new_model_to_rows", round(time.monotonic() - started))
    print(f"new model to rows: {time.monotonic() - started:.0f} s")
    assert found >= 3, "unsteered, prompted and steered"
    assert "newcomer" in model_keys(served), "the web interface has the new keys"
    caused = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs(served)]
    chains = {tags["asteer/chain"] for tags in caused}
    assert len(chains) == 1 and {tags["asteer/model"] for tags in caused} == {"newcomer"}, "finished models are left alone"
    steps = [tags["asteer/step"] for tags in caused]
    assert sorted(steps) == sorted(set(steps)), "each step ran once"
    shutil.rmtree(home / "models" / "newcomer")
    served.until(lambda: "newcomer" not in model_keys(served), SECONDS)
    assert rows(home) == found, "what is removed is retired, not deleted"
