"""Budgets, rungs within a budget, and successive halving on planted scores."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.choosing import AUTO, Rung, cost, halve, least, parse_budget, schedule
from asteer_core.errors import ConfigError, DataError


@pytest.mark.parametrize(
    "text, grid, expected",
    [
        ("20k-responses", 10, 20_000),
        ("1.5k", 10, 1500),
        ("2000", 10, 2000),
        ("300 responses", 10, 300),
        ("15%", 2176, 326),
        ("29%", 100, 29),
    ],
)
def test_a_budget_is_a_number_of_responses_or_a_share_of_the_grid(text, grid, expected):
    assert parse_budget(text).of(grid) == expected


@pytest.mark.parametrize("text", ["", "much", "0", "-5", "0%", "101%", "20k-rows", "1e3", "٣k"])
def test_a_budget_of_another_form_is_refused_with_an_example(text):
    if text == "٣k":
        assert parse_budget(text).responses == 3000  # digits of any script are digits
        return
    with pytest.raises(ConfigError, match=r"20k-responses|above 0 %"):
        parse_budget(text)


@given(candidates=st.integers(1, 300), budget=st.integers(1, 40_000), largest=st.integers(2, 600), samples=st.integers(1, 4))
def test_no_schedule_costs_more_than_its_budget_and_none_leaves_what_another_survivor_costs(candidates, budget, largest, samples):
    try:
        rungs = schedule(candidates, budget, largest, samples=samples)
    except ConfigError:
        # Refused only where not even the smallest first rung and a single survivor are affordable.
        assert budget < samples * (min(4, largest) * candidates + max(0, largest - 4))
        return
    assert cost(rungs, samples) <= budget
    assert rungs[0].configurations == candidates and rungs[-1].prompts == largest
    if len(rungs) > 1 and rungs[-1].configurations < rungs[-2].configurations:
        wider = (*rungs[:-1], Rung(rungs[-1].prompts, rungs[-1].configurations + 1))
        assert cost(wider, samples) > budget
    assert all(a.prompts < b.prompts and a.configurations >= b.configurations for a, b in itertools.pairwise(rungs))


@given(candidates=st.integers(1, 300), largest=st.integers(2, 600), samples=st.integers(1, 4))
def test_the_least_budget_is_accepted_and_one_less_is_not(candidates, largest, samples):
    enough = least(candidates, largest, samples=samples)
    assert cost(schedule(candidates, enough, largest, samples=samples), samples) <= enough
    with pytest.raises(ConfigError, match=f"the least is {enough}"):
        schedule(candidates, enough - 1, largest, samples=samples)


def test_the_least_budget_of_named_rungs_is_the_first_rung_and_one_survivor():
    assert least(10, 16, [4, 16], samples=2) == 2 * (10 * 4 + 12)


@pytest.mark.parametrize("candidates, expected", [(1, 128), (2, 256 * 0.5 + 4), (6, 5 * 4 + 128), (17, 326)])
def test_a_budget_that_is_not_named_is_a_share_of_the_grid_and_never_too_small(candidates, expected):
    grid = candidates * 128
    found = parse_budget("auto").of(grid, least(candidates, 128))
    assert found == expected and parse_budget(AUTO) == parse_budget("Auto ")
    assert schedule(candidates, found, 128)[-1].prompts == 128
    assert parse_budget("15%").of(grid, grid) == int(0.15 * grid) and parse_budget("3").of(grid, grid) == 3


def test_nested_prompts_are_paid_once():
    rungs = [Rung(16, 10), Rung(64, 4), Rung(256, 1)]
    assert cost(rungs) == 10 * 16 + 4 * 48 + 192 and cost(rungs, samples=3) == 3 * cost(rungs)


def test_a_large_budget_keeps_the_classic_rungs_and_named_rungs_are_kept():
    assert [rung.prompts for rung in schedule(40, 5000, 256)] == [16, 64, 256]
    assert [rung.prompts for rung in schedule(40, 5000, 256, [10, 100, 200])] == [10, 100, 200]


def test_what_is_left_of_the_budget_goes_to_survivors():
    rungs = schedule(17, 326, 128)
    one_more = (rungs[0], Rung(rungs[1].prompts, rungs[1].configurations + 1), rungs[2])
    assert cost(rungs) <= 326 < cost(one_more)


@pytest.mark.parametrize("rungs", [[64, 16], [16, 16], [1, 5], []])
def test_rungs_that_do_not_rise_are_refused(rungs):
    with pytest.raises(ConfigError, match="rising"):
        schedule(5, 1000, 64, rungs)


def test_halving_finds_the_best_and_compares_within_a_rung_only():
    names = [f"c{i}" for i in range(8)]
    asked = []

    def evaluate(chosen, rung):
        asked.append((len(chosen), rung.prompts))
        # Later scores are lower throughout and turn the order round: whoever remembers those of the first rung takes another winner.
        return {name: int(name[1]) if rung.prompts == 16 else -100 - int(name[1]) for name in chosen}

    found = halve(names, [Rung(16, 8), Rung(64, 3), Rung(256, 1)], evaluate)
    assert found.best == "c5" and asked == [(8, 16), (3, 64), (1, 256)]
    assert [trial.candidate for trial in found.trials if trial.kept and trial.rung == 0] == ["c7", "c6", "c5"]


def test_an_undefined_score_ranks_last_and_a_stopped_candidate_goes_no_further():
    scores = {"a": None, "c": 0.1, "d": math.nan}
    found = halve(["a", "b", "c", "d"], [Rung(4, 4), Rung(8, 2)], lambda chosen, _: {name: scores[name] for name in chosen if name != "b"})
    assert found.survivors == ("c", "a") and all(trial.candidate != "b" for trial in found.trials)


def test_a_rung_in_which_all_were_stopped_says_so():
    with pytest.raises(DataError, match="stopped early"):
        halve(["a"], [Rung(4, 1)], lambda *_: {})
