"""Fluency, relevance, coherence, success and the combinations of the axes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean, hmean

from asteer_core.errors import ConfigError, DataError
from asteer_core.metrics import fit_reference, pair_cosines, random_pair_cosines
from asteer_core.metrics.coherence import coherence
from asteer_core.metrics.combination import arithmetic, combinations, diversity, geometric, harmonic, smallest
from asteer_core.metrics.fluency import fluency
from asteer_core.metrics.relevance import relevance
from asteer_core.metrics.success import success

axis = st.floats(1e-6, 1)


def test_fluency_is_one_near_the_reference_and_falls_on_both_sides():
    t = fluency(np.array([2.0, 2.5, 1.5, 3.0, 1.0, np.nan]), location=2.0, scale=0.5)
    np.testing.assert_allclose(t[:5], [1, 1, 1, np.exp(-0.5), np.exp(-0.5)])
    assert np.isnan(t[5])


def test_tau_stretches_the_scale():
    nll = np.linspace(-5, 9, 50)
    np.testing.assert_allclose(fluency(nll, 2.0, 0.5, tau=4.0), fluency(nll, 2.0, 2.0))


@pytest.mark.parametrize(("scale", "tau"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_a_scale_without_width_is_refused(scale, tau):
    with pytest.raises(ConfigError, match="above 0"):
        fluency(np.zeros(2), 0.0, scale, tau)


def test_relevance_runs_from_the_random_to_the_matched_median():
    np.testing.assert_allclose(relevance(np.array([-1, 0.1, 0.3, 0.5, 0.9]), 0.1, 0.5), [0, 0, 0.5, 1, 1])
    with pytest.raises(ConfigError, match="not above the random"):
        relevance(np.zeros(1), 0.5, 0.5)


def test_coherence_is_the_product_null_where_unknown_and_zero_where_empty():
    c = coherence(np.array([0.8, np.nan, np.nan]), np.array([0.5, 0, 0]), np.array([0.5, 1, 1]), np.array([False, False, True]))
    np.testing.assert_allclose(c, [0.2, np.nan, 0])


def test_success_leaves_nulls_out_counts_them_and_bounds_them():
    s = success(np.array([0.9, 0.2, np.nan, np.nan]))
    assert (s.mean, s.rate, s.n_null) == (pytest.approx(0.55), 0.5, 2)
    assert (s.lowest, s.highest) == (pytest.approx(1.1 / 4), pytest.approx(3.1 / 4))


def test_success_without_a_verdict_is_null_not_zero():
    s = success(np.full(3, np.nan))
    assert (s.mean, s.rate, s.lowest, s.highest, s.n_null) == (None, None, 0, 1, 3)
    assert success(np.array([])).lowest is None


@given(axis, axis, axis)
def test_means_equal_those_of_scipy_and_keep_their_order(s, c, d):
    assert harmonic(s, c, d) == pytest.approx(hmean([s, c, d]))
    assert geometric(s, c, d) == pytest.approx(gmean([s, c, d]))
    assert arithmetic(s, c, d) == pytest.approx(np.mean([s, c, d]))
    assert smallest(s, c, d) <= harmonic(s, c, d) * (1 + 1e-9)
    assert harmonic(s, c, d) <= geometric(s, c, d) * (1 + 1e-9) <= arithmetic(s, c, d) * (1 + 1e-6)


@pytest.mark.parametrize("form", [harmonic, geometric, smallest])
def test_an_axis_at_zero_gives_zero_and_a_missing_one_gives_null(form):
    assert form(0.0, 0.9, 0.9) == 0
    assert form(None, 0.0, 0.9) is None
    assert form(float("nan"), 0.5) is None
    assert form() is None


def test_combinations_over_success_and_coherence_do_not_need_diversity():
    values = combinations(0.5, 1.0, None)
    assert values["hm"] is values["am"] is values["gm"] is values["min"] is None
    assert values["hm_sc"] == pytest.approx(2 / 3)
    assert values["min_sc"] == 0.5


def test_diversity_is_the_geometric_mean_of_its_parts():
    assert diversity(0.25, 1.0) == 0.5
    assert diversity(None, 1.0) is None


def test_the_reference_is_robust_and_leaves_nan_out():
    nll = np.array([1.0, 2.0, 3.0, 1e6, np.nan])
    reference = fit_reference(nll, np.array([0.6, 0.7, np.nan]), np.array([0.1, 0.2]))
    assert reference.nll_location == 2.5
    assert reference.nll_scale == pytest.approx(1.4826 * 1.0)
    assert reference.as_dict()["matched_cosine"] == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("nll", "matched", "random", "message"),
    [
        ([np.nan, 1.0], [0.5, 0.6], [0.1, 0.1], "nll has 1 finite"),
        ([1.0, 1.0, 1.0], [0.5, 0.6], [0.1, 0.1], "no spread"),
        ([1.0, 2.0, 3.0], [0.1, 0.1], [0.5, 0.6], "no nearer"),
    ],
)
def test_a_reference_that_measures_nothing_is_refused(nll, matched, random, message):
    with pytest.raises(DataError, match=message):
        fit_reference(np.array(nll), np.array(matched), np.array(random))


@pytest.mark.parametrize("seed", range(5))
def test_random_pairs_never_meet_their_own_prompt(seed):
    n = 7
    cosines = random_pair_cosines(np.eye(n), np.eye(n), np.random.default_rng(seed))
    np.testing.assert_array_equal(cosines, np.zeros(n))
    np.testing.assert_array_equal(pair_cosines(np.eye(n), np.eye(n)), np.ones(n))
    assert np.isnan(pair_cosines(np.zeros((1, 3)), np.ones((1, 3)))[0])


def test_random_pairs_need_two_rows():
    with pytest.raises(DataError, match="at least 2"):
        random_pair_cosines(np.eye(1), np.eye(1), np.random.default_rng(0))
