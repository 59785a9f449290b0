"""Named entries, options and combinations: which keys and vectors follow, what each configuration is made of, what is refused and why."""

import pytest

from asteer_core.errors import ConfigError
from asteer_core.study.plan import blocks_of, plan
from asteer_core.study.recipes import check_methods, ingredients, method_of, options_of
from asteer_core.study.study import parse_study
from asteer_core.types import Configuration
from asteer_pipeline.partitions import study_partitions

BASE = {"name": "small", "concepts": ["toxicity"], "models": ["llama-3m"], "size": {"prompts": 8}, "metrics": {"m": 4}}
CAA = {"method": "caa", "layers": [1], "strengths": [0.3, 0.6]}


def study(*grid, **more):
    return parse_study({**BASE, "grid": list(grid) or [CAA], **more}, "study.yaml")


def depth(_):
    return 6


def test_an_entry_without_strengths_has_one_configuration_per_layer_and_a_key_that_parses():
    found = plan(study({"method": "ablation", "layers": [1, 2]}), depth)
    assert found.configuration_keys == ("llama-3m:ablation:L01", "llama-3m:ablation:L02")
    configuration = Configuration.parse("toxicity", found.configuration_keys[1])
    assert (configuration.method, configuration.layer, configuration.strength) == ("ablation", 2, None)
    assert configuration.key == found.configuration_keys[1]


def test_a_named_entry_runs_one_method_with_several_options():
    found = study(
        {"method": "iti", "layers": [1], "strengths": [0.5], "options": {"top_k": 2}},
        {"name": "iti-wide", "method": "iti", "layers": [2], "strengths": [0.5], "options": {"top_k": 6}},
    )
    check_methods(found)
    assert plan(found, depth).vector_keys == ("llama-3m:iti", "llama-3m:iti-wide")
    assert [options_of(found, key).top_k for key in ("llama-3m:iti", "llama-3m:iti-wide")] == [2, 6]
    assert method_of(found, "llama-3m:iti-wide").name == "iti"
    assert blocks_of(found, "llama-3m:iti-wide", depth) == [2]


COMBINED = {
    "combinations": [
        {
            "name": "caa-and-less",
            "parts": [
                {"method": "caa", "layers": [2, "100%"], "weight": 0.5},
                {"method": "ablation", "layers": [3]},
            ],
            "strengths": [0.4],
        }
    ]
}


def test_a_combination_is_one_configuration_with_several_vectors():
    found = study(CAA, **COMBINED)
    check_methods(found)
    made = plan(found, depth)
    key = "llama-3m:caa-and-less:s0.40"
    assert made.configuration_keys == ("llama-3m:caa:L01:s0.30", "llama-3m:caa:L01:s0.60", key)
    assert made.vectors_of(key) == ("llama-3m:caa", "llama-3m:ablation")
    assert made.vectors_of("llama-3m:caa:L01:s0.30") == ("llama-3m:caa",)
    assert blocks_of(found, "llama-3m:caa", depth) == [1, 2, 5] and blocks_of(found, "llama-3m:ablation", depth) == [3]
    configuration = Configuration.parse("toxicity", key)
    items = ingredients(found, configuration, depth)
    assert [(item.vector_key, item.layer, item.strength(configuration.strength)) for item in items] == [
        ("llama-3m:caa", 2, 0.2),
        ("llama-3m:caa", 5, 0.2),
        ("llama-3m:ablation", 3, None),
    ]


def test_dagster_maps_a_combination_to_all_its_vectors():
    made = plan(study(CAA, **COMBINED), depth)
    mapping = study_partitions(made).vector_to_configuration.downstream_mappings_by_upstream_dimension["vector"].partition_mapping
    children = mapping.downstream_partition_keys_by_upstream_partition_key
    assert children["llama-3m:ablation"] == ["llama-3m:caa-and-less:s0.40"]
    assert "llama-3m:caa-and-less:s0.40" in children["llama-3m:caa"] and len(children["llama-3m:caa"]) == 3


def part(**more):
    return {"name": "both", "parts": [{"method": "caa", "layers": [1]}], "strengths": [0.4], **more}


REFUSED_BY_THE_FILE = {
    "two grid entries are called 'iti'": {
        "grid": [
            {"method": "iti", "layers": [1], "strengths": [1], "options": {"top_k": 1}},
            {"method": "iti", "layers": [1], "strengths": [1]},
        ]
    },
    "has the name of a baseline": {"grid": [{**CAA, "name": "prompted"}]},
    "combination 'caa' has the name of a baseline or grid entry": {"combinations": [part(name="caa")]},
    "a KL target is searched for one vector alone": {"combinations": [part(strengths="auto")]},
    "blocks are ranked for one vector alone": {"combinations": [part(parts=[{"method": "caa", "layers": "auto"}])]},
    "names no layers for model 'llama-3m'": {"combinations": [part(parts=[{"method": "caa", "layers": {"neox-2m": [1]}}])]},
    r"combinations\.0\.parts\.0\.wieght: unknown key\. Did you mean 'weight'": {
        "combinations": [part(parts=[{"method": "caa", "layers": [1], "wieght": 2}])]
    },
    "grid.0.option: unknown key. Did you mean 'options'": {"grid": [{**CAA, "option": {}}]},
}


@pytest.mark.parametrize("message", REFUSED_BY_THE_FILE)
def test_a_file_that_cannot_be_meant_is_refused(message):
    with pytest.raises(ConfigError, match=message):
        parse_study({**BASE, "grid": [CAA], **REFUSED_BY_THE_FILE[message]}, "study.yaml")


REFUSED_BY_THE_METHODS = {
    "grid entry 'ablation': method 'ablation' has no strength: .* or use 'ace'": {
        "grid": [{"method": "ablation", "layers": [1], "strengths": [0.5]}]
    },
    "ablation' has no strength": {"grid": [{"method": "ablation", "layers": [1], "strengths": "auto"}]},
    "grid entry 'caa': method 'caa' has a strength, but none is given": {"grid": [{"method": "caa", "layers": [1]}]},
    "unknown option of method 'iti' 'topk'. Did you mean 'top_k'": {"grid": [{**CAA, "method": "iti", "options": {"topk": 2}}]},
    "method 'caa' has no options": {"grid": [{**CAA, "options": {"top_k": 2}}]},
    "method 'iti': option top_k: Input should be greater": {"grid": [{**CAA, "method": "iti", "options": {"top_k": 0}}]},
    "method 'sae': option sae: Field required": {"grid": [{**CAA, "method": "sae"}]},
    "has the name of another method": {"grid": [{**CAA, "name": "pca"}]},
    "Did you mean 'caa'": {"grid": [{**CAA, "method": "caaa"}]},
    "combination 'both' has a strength|combination 'both': method 'caa' has a strength": {"combinations": [part(strengths=None)]},
    "combination 'both': method 'ablation' has no strength": {"combinations": [part(parts=[{"method": "ablation", "layers": [1]}])]},
    "cannot be one part among others": {"combinations": [part(parts=[{"method": "cast", "layers": [1]}])]},
    "combination 'both': method 'angular': strength 1.5": {
        "combinations": [part(parts=[{"method": "angular", "layers": [1], "weight": 3}], strengths=[0.5])]
    },
    "combination 'probe' has the name of a method": {"combinations": [part(name="probe")]},
}


@pytest.mark.parametrize("message", REFUSED_BY_THE_METHODS)
def test_what_a_method_cannot_do_is_refused_before_anything_runs(message):
    found = parse_study({**BASE, "grid": [CAA], **REFUSED_BY_THE_METHODS[message]}, "study.yaml")
    with pytest.raises(ConfigError, match=message):
        check_methods(found)
