"""The study file and its plan: what is accepted, what is refused with the key, and which partitions follow."""

import pytest

from asteer_core.errors import ConfigError
from asteer_core.paths import data_root
from asteer_core.study.plan import baselines, blocks_of, plan
from asteer_core.study.study import list_presets, load_study, parse_study

SMALL = {
    "name": "small",
    "concepts": ["toxicity"],
    "models": ["llama-3m", "neox-2m"],
    "grid": [{"method": "caa", "layers": {"llama-3m": [2, 3], "neox-2m": [1]}, "strengths": [0.3, 0.6]}],
    "controls": {"random": {"layers": [1], "strengths": [0.5]}, "templates": 2},
    "size": {"prompts": 8},
    "metrics": {"m": 4},
}


def test_a_plan_lists_every_configuration_once_with_the_model_first():
    found = plan(parse_study(SMALL, "small"))
    assert found.configuration_keys == (
        "llama-3m:caa:L02:s0.30",
        "llama-3m:caa:L02:s0.60",
        "llama-3m:caa:L03:s0.30",
        "llama-3m:caa:L03:s0.60",
        "neox-2m:caa:L01:s0.30",
        "neox-2m:caa:L01:s0.60",
    )
    assert found.vector_keys == ("llama-3m:caa", "llama-3m:random", "neox-2m:caa", "neox-2m:random")
    assert len(found.pairs) == 6 and len(found.cells) == 2


def test_vectors_are_fitted_at_the_blocks_that_are_steered():
    study = parse_study(SMALL, "small")
    assert blocks_of(study, "llama-3m:caa") == [2, 3] and blocks_of(study, "llama-3m:random") == [1]


def test_baselines_are_unsteered_prompted_and_random():
    keys = [found.key for found in baselines(parse_study(SMALL, "small"), "toxicity", "neox-2m", ("t1", "t2"))]
    assert keys == ["neox-2m:unsteered", "neox-2m:prompted:t1", "neox-2m:prompted:t2", "neox-2m:random:L01:s0.50"]


BAD = {
    r"grid\.0\.strenghts: unknown key\. Did you mean 'strengths'": {
        "grid": [{"method": "caa", "layers": [1], "strenghts": [1], "strengths": [1]}]
    },
    "Did you mean 'concepts'": {"conceps": []},
    r"size\.prompts": {"size": {"prompts": 1}},
    "stands twice": {"concepts": ["a", "a"]},
    "names no layers for model 'neox-2m'": {"grid": [{"method": "caa", "layers": {"llama-3m": [1]}, "strengths": [1]}]},
    "lower metrics.m": {"metrics": {"m": 9}},
    "model name": {"models": ["Llama 3"]},
    r"grid\.0\.strengths: nan is not a finite number": {"grid": [{"method": "caa", "layers": [1], "strengths": [float("nan")]}]},
    "temperature": {"sampling": {"temperature": -1}},
    "grid.0.layers": {"grid": [{"method": "caa", "layers": [-1], "strengths": [1]}]},
}


@pytest.mark.parametrize("message", BAD)
def test_a_wrong_study_names_the_key(message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_study({**SMALL, **BAD[message]}, "study.yaml")
    assert str(caught.value).startswith("study.yaml: ")


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(value):
    with pytest.raises(ConfigError, match=r"study\.yaml"):
        parse_study(value, "study.yaml")


def test_every_preset_loads_and_the_paper_has_136_configurations():
    assert {"quick", "paper"} <= set(list_presets())
    for name in list_presets():
        assert load_study(name).name == name
    found = plan(load_study("paper"))
    assert len(found.pairs) == 136
    assert len(plan(load_study("quick")).pairs) == 24


def test_an_unknown_preset_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'quick'"):
        load_study("qick")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(tmp_path / "no.yaml")


def test_the_environment_names_the_default_study(monkeypatch):
    monkeypatch.setenv("ASTEER_STUDY", "paper")
    assert load_study().name == "paper"


ANY_MODEL = {"name": "s", "concepts": ["toxicity"], "models": "all", "grid": [{"method": "caa", "layers": ["50%"], "strengths": [0.4]}]}


def test_all_models_are_the_registered_ones_that_are_not_retired(tmp_path):
    assert parse_study(ANY_MODEL, "s", tmp_path).models == ["llama-3m", "neox-2m"]
    (tmp_path / "models.yaml").write_text(
        f"- {{name: old, source: x/y, retired: true}}\n- {{name: mine, source: {data_root()}/models/neox-2m}}"
    )
    assert parse_study(ANY_MODEL, "s", tmp_path).models == ["llama-3m", "neox-2m", "mine"]


def test_a_model_without_a_readable_depth_is_no_part_of_a_study_over_shares_of_the_depth(tmp_path):
    folder = tmp_path / "models" / "odd"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    assert parse_study(ANY_MODEL, "s", tmp_path).models == ["llama-3m", "neox-2m"]
    blocks = {**ANY_MODEL, "grid": [{"method": "caa", "layers": [1], "strengths": [0.4]}]}
    assert "odd" in parse_study(blocks, "s", tmp_path).models


def test_all_models_with_layers_by_model_are_refused(tmp_path):
    value = {**ANY_MODEL, "grid": [{"method": "caa", "layers": {"llama-3m": [1]}, "strengths": [0.4]}]}
    with pytest.raises(ConfigError, match="models that arrive later"):
        parse_study(value, "s", tmp_path)
