"""The base of the core: names, configuration keys, row streams, registries and their errors."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.errors import AsteerError, ConfigError, unknown_name
from asteer_core.registry import Registry
from asteer_core.types import Configuration, Sampling, row_stream

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)
dials = st.floats(-4, 4, allow_nan=False)


@given(names, names, st.integers(0, 99), dials)
def test_a_configuration_key_parses_back_to_the_configuration(model, method, layer, strength):
    configuration = Configuration("toxicity", model, method, layer, strength)
    assert Configuration.parse("toxicity", configuration.key) == configuration


def test_keys_read_as_documented():
    assert Configuration("toxicity", "llama-3m", "caa", 2, 0.6).key == "llama-3m:caa:L02:s0.60"
    assert Configuration("toxicity", "llama-3m", "prompted", template="rude-1").key == "llama-3m:prompted:rude-1"
    assert Configuration("toxicity", "llama-3m", "unsteered").key == "llama-3m:unsteered"


@given(names, names, st.integers(1, 99), st.floats(1e-3, 9, allow_nan=False))
def test_dials_left_to_the_study_parse_back_too(model, method, rank, target):
    for layer, rank_asked in ((None, rank), (3, None)):
        configuration = Configuration("toxicity", model, method, layer, layer_rank=rank_asked, kl_target=target)
        assert Configuration.parse("toxicity", configuration.key) == configuration


def test_what_a_dial_resolves_to_changes_neither_key_nor_id():
    asked = Configuration("toxicity", "llama-3m", "caa", layer_rank=1, kl_target=0.3)
    found = replace(asked, layer=4, strength=0.71)
    assert asked.key == found.key == "llama-3m:caa:Lauto:k0.30" and asked.id == found.id
    others = [replace(asked, layer_rank=2), replace(asked, kl_target=0.31), Configuration("toxicity", "llama-3m", "caa", 4, 0.71)]
    assert len({asked.id, *(other.id for other in others)}) == 4


def test_the_id_of_a_configuration_with_both_dials_given_is_what_it_always_was():
    # Row streams are seeded with ids, so another hash would change every stored corpus.
    assert Configuration("toxicity", "llama-3m", "caa", 2, 0.6).id == "toxicity:llama-3m:caa:L02:s0.60#34ff35d0"


@given(
    names, st.floats(0, 5, allow_nan=False), st.floats(1e-3, 1, allow_nan=False), st.none() | st.from_regex(r"[a-z0-9]+", fullmatch=True)
)
def test_a_sampling_of_its_own_parses_back_and_makes_another_id(method, temperature, top_p, template):
    plain = Configuration("toxicity", "llama-3m", method, 2, 0.6, template=template)
    found = {plain}
    for own in ({"temperature": temperature}, {"top_p": top_p}, {"temperature": temperature, "top_p": top_p}):
        found.add(one := replace(plain, **own))
        assert Configuration.parse("toxicity", one.key) == one
        assert one.sampled(Sampling(max_new_tokens=7)) == replace(Sampling(max_new_tokens=7), **own)
    assert len({one.id for one in found}) == 4 and plain.sampled(Sampling(top_p=0.4)) == Sampling(top_p=0.4)


def test_a_key_with_a_sampling_reads_as_documented_and_a_wrong_one_is_refused():
    assert Configuration("toxicity", "llama-3m", "caa", 2, 0.6, temperature=0.7, top_p=0.905).key == "llama-3m:caa:L02:s0.60:T0.70:P0.905"
    with pytest.raises(ConfigError, match="top_p=1.5"):
        Configuration.parse("toxicity", "llama-3m:caa:L02:s0.60:P1.5")


@pytest.mark.parametrize("wrong", [{"layer_rank": 0}, {"kl_target": 0.0}, {"kl_target": float("inf")}, {"kl_target": -1.0}])
def test_a_rank_or_target_that_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        Configuration("toxicity", "m", "caa", **wrong)


def test_ids_differ_where_any_field_differs():
    base = Configuration("toxicity", "llama-3m", "caa", 2, 0.6)
    others = [
        Configuration("toxicity", "llama-3m", "caa", 2, 0.6, scope="all"),
        Configuration("toxicity", "llama-3m", "caa", 2, 0.6, seed=1),
        Configuration("evasion", "llama-3m", "caa", 2, 0.6),
    ]
    assert len({base.id, *(other.id for other in others)}) == 4


@pytest.mark.parametrize("name", ["../x", "a|b", "A", "", "a,b", "x'; drop table t", "a..b", "a/b"])
def test_names_that_would_break_paths_keys_or_sql_are_refused(name):
    with pytest.raises(ConfigError, match="name"):
        Configuration(name, "m", "caa")


@pytest.mark.parametrize("field, value", [("temperature", float("nan")), ("top_p", 0.0), ("max_new_tokens", 0), ("min_new_tokens", 65)])
def test_sampling_out_of_range_names_the_field(field, value):
    with pytest.raises(ConfigError, match=field):
        Sampling(**{field: value})


def test_row_streams_are_the_same_in_another_process():
    code = "from asteer_core.types import row_stream; print(row_stream('a', 'b', 0, 1))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == row_stream("a", "b", 0, 1)


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    error = unknown_name("method", "mean_diference", ["caa", "mean_difference"])
    assert isinstance(error, AsteerError)
    assert "Did you mean 'mean_difference'?" in str(error) and "caa" in str(error)


def test_a_registry_refuses_two_objects_of_one_name():
    registry: Registry[int] = Registry("method", "json")
    registry.register("one")(1)
    with pytest.raises(ConfigError, match="twice"):
        registry.register("one")(2)
