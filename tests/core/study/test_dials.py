"""The notation of layers and strengths: shares of the depth, `auto`, KL targets, and what is refused with what message."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model.depth import read_depth
from asteer_core.model.specs import ModelSpec
from asteer_core.study.dials import KL_TARGETS, block_at
from asteer_core.study.plan import asked_of, blocks_of, plan
from asteer_core.study.study import parse_study

BASE = {"name": "s", "concepts": ["toxicity"], "models": ["llama-3m", "neox-2m"], "size": {"prompts": 8}, "metrics": {"m": 4}}


def study_of(layers, strengths, **more):
    return parse_study({**BASE, "grid": [{"method": "caa", "layers": layers, "strengths": strengths}], **more}, "s.yaml")


def keys_of(layers, strengths):
    return [key.split(":", 2)[2] for key in plan(study_of(layers, strengths)).configuration_keys if key.startswith("llama-3m")]


def test_auto_layers_and_strengths_stand_in_the_keys_as_asked():
    assert keys_of("auto", "auto") == [f"Lauto:k{target:.2f}" for target in KL_TARGETS]
    assert keys_of({"auto": 2}, [0.5]) == ["Lauto:s0.50", "Lauto2:s0.50"]
    assert keys_of([2], {"kl": [0.3, 0.05]}) == ["L02:k0.30", "L02:k0.05"]


def test_layers_may_be_left_to_the_study_for_one_model_and_named_for_another():
    study = study_of({"llama-3m": "auto", "neox-2m": ["50%", 3]}, [0.5])
    assert plan(study).configuration_keys == ("llama-3m:caa:Lauto:s0.50", "neox-2m:caa:L01:s0.50", "neox-2m:caa:L03:s0.50")


def test_shares_of_the_depth_become_blocks_of_each_model_and_two_on_one_block_count_once():
    # 6 and 4 blocks.
    assert plan(study_of(["50%", "55%", "100%"], [0.5])).configuration_keys == (
        "llama-3m:caa:L02:s0.50", "llama-3m:caa:L05:s0.50", "neox-2m:caa:L01:s0.50", "neox-2m:caa:L03:s0.50",
    )  # fmt: skip


@given(st.floats(0.01, 100), st.integers(1, 200))
def test_a_share_falls_on_the_block_whose_output_is_nearest_to_it(percent, n_blocks):
    block = block_at(f"{percent:.4f}%", n_blocks)
    error = abs((block + 1) / n_blocks - percent / 100)
    assert 0 <= block < n_blocks
    assert all(error <= abs((other + 1) / n_blocks - percent / 100) + 1e-5 for other in range(n_blocks))


def test_what_is_asked_of_a_vector_lists_each_dial_once():
    study = study_of("auto", {"kl": [0.3]}, controls={"random": {"layers": [1], "strengths": {"kl": [0.3]}}})
    [(place, push)] = asked_of(study, "llama-3m:caa")
    assert (place.layer, place.rank, push.strength, push.kl) == (None, 1, None, 0.3)
    assert blocks_of(study, "llama-3m:caa") == [] and blocks_of(study, "llama-3m:random") == [1]


def test_a_study_read_back_from_its_own_values_is_the_same():
    for layers, strengths in (("auto", "auto"), (["50%"], {"kl": [1]}), ({"llama-3m": {"auto": 2}, "neox-2m": [1]}, [0.5])):
        study = study_of(layers, strengths)
        assert parse_study(study.model_dump(exclude={"sampling"}), "again") == study


@pytest.mark.parametrize(
    ("layers", "strengths", "message"),
    [
        ("all", [0.5], r"grid\.0\.layers: 'all' is not understood; expected block numbers"),
        (["150%"], [0.5], r"grid\.0\.layers: '150%' is neither a block nor a share"),
        (["0%"], [0.5], "neither a block nor a share"),
        ([True], [0.5], "neither a block nor a share"),
        ([1.5], [0.5], "neither a block nor a share"),
        ([], [0.5], "not understood"),
        ({}, [0.5], "it is empty"),
        ({"auto": 0}, [0.5], "not understood"),
        ([1, 1], [0.5], "stands twice"),
        ([1], {"kl": [0]}, r"grid\.0\.strengths: 0 is not a finite number above 0; expected"),
        ([1], {"KL": [1]}, "not understood; expected numbers above 0"),
        ([1], {"kl": []}, "not understood"),
        ([1], "strong", "not understood"),
        ([1], [11], "above 0 and up to 10"),
        ([1], [True], "not a finite number"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is(layers, strengths, message):
    with pytest.raises(ConfigError, match=message) as caught:
        study_of(layers, strengths)
    assert str(caught.value).startswith("s.yaml: ")


def test_a_random_direction_has_no_best_block():
    with pytest.raises(ConfigError, match="a random direction has no best block"):
        study_of([1], [0.5], controls={"random": {"layers": "auto", "strengths": [0.5]}})


@pytest.mark.parametrize(
    ("config", "depth"),
    [
        ({"num_hidden_layers": 7}, 7),
        ({"n_layer": 5}, 5),
        ({"text_config": {"num_hidden_layers": 9}, "vision_config": {"num_hidden_layers": 3}}, 9),
    ],
)
def test_the_depth_is_read_from_the_configuration(tmp_path, config, depth):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_depth(ModelSpec(name="m", source=str(tmp_path)), tmp_path) == depth


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("{", "cannot be read"), ("[]", "names no depth"), ("{}", "names no depth")]
)
def test_a_configuration_without_a_depth_says_what_to_do(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=f"model 'm'.*{message}.*name blocks by number"):
        read_depth(ModelSpec(name="m", source=str(tmp_path)), tmp_path)


def test_a_plan_with_shares_imports_no_torch():
    code = (
        "import sys; from asteer_core.study import parse_study, plan; "
        f"plan(parse_study({BASE | {'grid': [{'method': 'caa', 'layers': ['50%'], 'strengths': 'auto'}]}!r}, 's')); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
