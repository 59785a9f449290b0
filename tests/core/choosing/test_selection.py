"""Early stops, thresholds, diverse subsets and mixtures, each against brute force or a planted answer."""

import itertools

import numpy as np
import pytest

from asteer_core.choosing import (
    OBJECTIVES,
    StopRule,
    Thresholds,
    facility_location,
    greedy_mixture,
    log_determinant,
    objective,
    passing,
    stopped,
)  # fmt: skip
from asteer_core.errors import ConfigError, DataError

CALM = np.array([1.0, 1.1, 0.9, 1.2, 0.8, 1.0])


def test_text_that_begins_unlike_any_language_or_repeats_itself_is_stopped_and_other_text_is_not():
    rule = StopRule()
    fine = np.zeros(4)
    assert stopped(np.full(4, 1.1), fine, CALM, rule) is None
    assert "deviations" in stopped(np.full(4, 9.0), fine, CALM, rule)
    assert "repeat" in stopped(np.full(4, 1.1), np.full(4, 0.75), CALM, rule)
    assert stopped(np.full(4, 1.1), np.full(4, 0.65), CALM, rule) is None
    assert stopped(np.array([1.0, 1.0, 1.0, 90.0]), fine, CALM, rule) is None, "one odd response of four is no reason"
    assert stopped(np.full(4, np.nan), fine, CALM, rule) is None


def test_thresholds_pass_what_reaches_both_and_nothing_undefined():
    success, coherence = np.array([0.5, 0.9, 0.2, np.nan]), np.array([0.8, 0.1, 0.9, 0.9])
    assert passing(success, coherence, Thresholds(0.5, 0.5)).tolist() == [True, False, False, False]
    assert passing(success, coherence, Thresholds(0, 0)).all()
    with pytest.raises(ConfigError, match="0 to 1"):
        Thresholds(1.5, 0)


def coverage(unit, weights, rows):
    return float(weights @ np.maximum(unit @ unit[list(rows)].T, 0).max(axis=1))


def test_greedy_facility_location_takes_the_best_next_row_at_every_step(rng):
    x = rng.normal(size=(40, 6))
    weights = rng.random(40)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    chosen = facility_location(x, weights, 7).tolist()
    for step in range(7):
        values = {row: coverage(unit, weights, [*chosen[:step], row]) for row in range(40) if row not in chosen[:step]}
        assert values[chosen[step]] == pytest.approx(max(values.values()))


def test_greedy_log_determinant_takes_the_best_next_row_at_every_step(rng):
    x, weights = rng.normal(size=(25, 4)), rng.random(25) * 0.9 + 0.1
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    kernel = np.outer(weights, weights) * (unit @ unit.T + 0.1 * np.eye(25))
    chosen = log_determinant(x, weights, 6).tolist()
    for step in range(6):
        values = {
            row: np.linalg.slogdet(kernel[np.ix_([*chosen[:step], row], [*chosen[:step], row])])[1]
            for row in range(25) if row not in chosen[:step]
        }  # fmt: skip
        assert values[chosen[step]] == pytest.approx(max(values.values()))


@pytest.mark.parametrize("choose", [facility_location, log_determinant])
def test_a_subset_takes_one_of_each_cluster_before_a_second_and_prefers_quality(choose, rng):
    centres = np.eye(5)
    x = np.repeat(centres, 6, axis=0) + 0.01 * rng.normal(size=(30, 5))
    weights = np.tile([0.2, 0.2, 0.2, 0.2, 0.2, 1.0], 5)
    chosen = choose(x, weights, 5)
    assert sorted(chosen // 6) == [0, 1, 2, 3, 4]
    if choose is log_determinant:
        assert (chosen % 6 == 5).all()


@pytest.mark.parametrize("choose", [facility_location, log_determinant])
def test_a_subset_of_everything_is_everything_and_a_larger_one_is_refused(choose, rng):
    x = rng.normal(size=(12, 3))
    assert sorted(choose(x, np.full(12, np.nan), 12)) == list(range(12))
    with pytest.raises(DataError, match="smaller set"):
        choose(x, np.ones(12), 13)


def test_a_mixture_beats_every_single_configuration_where_they_complement_one_another():
    # Worth: how many different letters the pool holds; each configuration has two of four.
    letters = np.array(list("aabb" * 4 + "ccdd" * 4 + "aaaa" * 4))
    pools = {"one": range(16), "two": range(16, 32), "three": range(32, 48)}
    found = greedy_mixture(pools, 16, lambda rows: float(len(set(letters[rows]))), blocks=4)
    assert len(found.rows) == len(set(found.rows)) == 16
    assert len(set(letters[found.rows])) == 4 and sum(found.counts.values()) == 16


def test_a_mixture_of_one_good_configuration_is_that_configuration():
    worth = np.array([1.0] * 10 + [0.0] * 10)
    found = greedy_mixture({"bad": range(10, 20), "good": range(10)}, 8, lambda rows: float(worth[rows].mean()))
    assert found.counts == {"good": 8}


def test_a_mixture_can_use_up_small_pools_and_refuses_more_than_there_is():
    pools = {name: range(3 * i, 3 * i + 3) for i, name in enumerate("abc")}
    assert sorted(greedy_mixture(pools, 9, lambda rows: None, blocks=2).rows) == list(range(9))
    with pytest.raises(DataError, match="pools of 9"):
        greedy_mixture(pools, 10, lambda rows: 1.0)


def test_objectives_agree_with_their_definition_and_an_undefined_metric_makes_them_undefined():
    metrics = {"success": 0.5, "coherence": 0.25, "diversity": 1.0}
    assert objective("hm")(metrics) == pytest.approx(3 / (2 + 4 + 1))
    assert objective("hm_sd")(metrics) == pytest.approx(2 / 3) and objective("d")(metrics) == 1.0
    for name, missing in itertools.product(("hm",), metrics):
        assert OBJECTIVES[name]({**metrics, missing: None}) is None
    with pytest.raises(ConfigError, match="Did you mean 'success'"):
        objective("sucess")
