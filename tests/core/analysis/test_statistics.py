"""Statistics against scipy, numpy and brute force; intervals and tests against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asteer_core.analysis import (
    benjamini_hochberg,
    cluster_share_interval,
    fisher_pool,
    interval,
    kendall,
    midranks,
    over_cells,
    partial_spearman,
    pearson,
    permutation_p,
    spearman,
    wilson_interval,
    within_cells,
)  # fmt: skip
from asteer_core.errors import DataError

ONCE = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}
OURS = {"spearman": spearman, "kendall": kendall, "pearson": pearson}


def related(rng, n, rho, decimals=12):
    x = rng.normal(size=n)
    return np.round(x, decimals), np.round(rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n), decimals)


@pytest.mark.parametrize("decimals", [0, 12])  # 0: many ties
@pytest.mark.parametrize("name", ONCE)
def test_correlations_equal_scipy_in_every_resample(rng, name, decimals):
    x, y = related(rng, 30, 0.5, decimals)
    weights = rng.integers(0, 3, size=(30, 6)).astype(float)
    ours = OURS[name](x, y, weights)
    for b in range(6):
        rows = np.repeat(np.arange(30), weights[:, b].astype(int))
        assert ours[b] == pytest.approx(ONCE[name](x[rows], y[rows]).statistic, abs=1e-9)


def test_midranks_equal_scipy(rng):
    x = rng.integers(0, 5, 40).astype(float)
    np.testing.assert_allclose(midranks(x, np.ones((40, 1)))[:, 0], stats.rankdata(x))


@pytest.mark.parametrize("name", OURS)
def test_a_constant_has_no_correlation(name):
    x, constant, once = np.arange(5.0), np.full(5, 0.1), np.ones((5, 1))
    assert np.isnan(OURS[name](x, constant, once)).all() and np.isnan(OURS[name](constant, x, once)).all()


def test_partial_spearman_equals_the_correlation_of_residual_ranks(rng):
    controls = rng.normal(size=(50, 2))
    x, y = controls.sum(axis=1) + rng.normal(size=50), controls[:, 0] + rng.normal(size=50)
    design = np.column_stack([np.ones(50), *(stats.rankdata(c) for c in controls.T)])
    residuals = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in (stats.rankdata(x), stats.rankdata(y))]
    ours = partial_spearman(x, y, controls, np.ones((50, 1)))[0]
    assert ours == pytest.approx(stats.pearsonr(*residuals).statistic, abs=1e-9)


def test_partial_spearman_is_undefined_for_a_function_of_the_controls(rng):
    controls = rng.normal(size=(30, 2))
    assert np.isnan(partial_spearman(np.exp(controls[:, 0]), rng.normal(size=30), controls, np.ones((30, 1)))).all()
    assert np.isnan(partial_spearman(np.ones(30), rng.normal(size=30), controls, np.ones((30, 1)))).all()


@given(st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=6), st.data())
def test_a_pooled_correlation_lies_between_its_parts(parts, data):
    sizes = data.draw(st.lists(st.integers(4, 50), min_size=len(parts), max_size=len(parts)))
    pooled = float(fisher_pool(np.array(parts), np.array(sizes)))
    assert min(parts) - 1e-12 <= pooled <= max(parts) + 1e-12


def test_pooling_weighs_by_size_and_ignores_the_undefined():
    expected = np.tanh((7 * np.arctanh(0.2) + 27 * np.arctanh(0.6)) / 34)
    assert fisher_pool(np.array([0.2, 0.6, np.nan, 0.9]), np.array([10, 30, 30, 3])) == pytest.approx(expected, abs=1e-12)
    assert fisher_pool(np.array([1.0, 0.5]), np.array([10, 10])) == 1
    assert np.isnan(fisher_pool(np.array([1.0, -1.0]), np.array([10, 10])))
    assert np.isnan(fisher_pool(np.array([0.5]), np.array([3])))


@pytest.mark.parametrize(("successes", "trials"), [(0, 9), (9, 9), (3, 17), (1, 1), (50, 136)])
def test_wilson_equals_scipy(successes, trials):
    reference = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((reference.low, reference.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(DataError, match=f"{successes} successes in {trials} trials"):
        wilson_interval(successes, trials)


def test_benjamini_hochberg_equals_scipy_and_skips_nan(rng):
    p = rng.random(40) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)
    holes = np.insert(p, [3, 20], np.nan)
    np.testing.assert_allclose(benjamini_hochberg(holes)[np.isfinite(holes)], stats.false_discovery_control(p), atol=1e-12)
    assert benjamini_hochberg(np.array([np.nan])).size == 1 and benjamini_hochberg(np.array([])).size == 0
    with pytest.raises(DataError, match=r"p-values from -0.1 to 0.5"):
        benjamini_hochberg(np.array([-0.1, 0.5]))


def test_benjamini_hochberg_keeps_false_discoveries_at_the_nominal_rate(rng):
    share = []
    for _ in range(600):
        p = rng.random(60)
        p[:20] = stats.norm.sf(rng.normal(2.5, 1, 20))
        found = benjamini_hochberg(p) <= 0.05
        share.append(found[20:].sum() / max(found.sum(), 1))
    assert np.mean(share) <= 0.045  # 40 of 60 hypotheses are null: .05 * 40 / 60 = .033


def test_resamples_keep_cells_or_move_them_whole(rng):
    cells = np.repeat([0, 1, 2, 3, 4], [3, 5, 4, 2, 6])
    weights = within_cells(cells, rng, 50)
    assert all((weights[cells == c].sum(axis=0) == (cells == c).sum()).all() for c in range(5))
    whole = over_cells(cells, rng, 50)
    assert all(np.ptp(whole[cells == c], axis=0).max() == 0 for c in range(5))
    assert (whole[[0, 3, 8, 12, 14]].sum(axis=0) == 4).all()
    with pytest.raises(DataError, match="at least 2 cells; got 1"):
        over_cells(np.zeros(4), rng, 10)


def test_intervals_of_undefined_draws_are_none():
    assert interval(np.array([np.nan, np.nan, 0.5])) == (None, None)
    assert interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)


@pytest.mark.parametrize(("n", "cells"), [(17, 1), (34, 2)])
def test_bootstrap_of_spearman_covers_between_92_and_98_percent(rng, n, cells):
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's rho of a binormal pair
    member, hits = np.repeat(np.arange(cells), n // cells), 0
    for _ in range(500):
        x, y = related(rng, n, 0.6)
        lo, hi = interval(spearman(x, y, within_cells(member, rng, 300)))
        hits += lo <= truth <= hi
    assert 0.92 <= hits / 500 <= 0.98


def test_shared_resamples_cover_a_difference_of_correlations_and_are_tighter_than_separate_ones(rng):
    truth = 6 / np.pi * (np.arcsin(0.8 / 2) - np.arcsin(0.7 / 2))
    hits, shared_width, apart_width = 0, [], []
    for _ in range(400):
        y = rng.normal(size=40)
        common = rng.normal(size=40)
        a = 0.8 * y + 0.6 * common
        b = 0.7 * y + np.sqrt(0.51) * (0.95 * common + np.sqrt(1 - 0.95**2) * rng.normal(size=40))
        one, other = (within_cells(np.zeros(40), rng, 300) for _ in range(2))
        first = spearman(a, y, one)
        lo, hi = interval(first - spearman(b, y, one))
        hits += lo <= truth <= hi
        shared_width.append(hi - lo)
        apart_width.append(np.subtract(*interval(first - spearman(b, y, other))[::-1]))
    assert 0.92 <= hits / 400 <= 0.985
    assert np.mean(shared_width) < 0.7 * np.mean(apart_width)


def test_cluster_share_intervals_cover_where_cells_differ(rng):
    cells, hits, naive = np.repeat(np.arange(8), 17), 0, 0
    for _ in range(500):
        won = rng.random(136) < rng.beta(2, 2, size=8)[cells]
        lo, hi = cluster_share_interval(won, cells, rng, 400)
        hits += lo <= 0.5 <= hi
        low, high = wilson_interval(int(won.sum()), 136)
        naive += low <= 0.5 <= high
    assert 0.92 <= hits / 500 <= 0.985
    assert naive / 500 < 0.85


def test_cluster_intervals_need_four_cells_and_are_never_a_point(rng):
    assert cluster_share_interval(np.array([True, False, True]), np.array([0, 1, 2]), rng) == (None, None)
    lo, hi = cluster_share_interval(np.zeros(80, dtype=bool), np.repeat(np.arange(8), 10), rng)
    assert (lo, hi) == pytest.approx(wilson_interval(0, 8))
    lo, hi = cluster_share_interval(np.tile([True, False], 20), np.repeat(np.arange(4), 10), rng)
    assert lo < 0.5 < hi


def test_permutation_within_cells_keeps_its_rate_where_cells_differ(rng):
    cells, small, naive = np.repeat(np.arange(4), 10), 0, 0
    for _ in range(400):
        level = rng.normal(size=4)[cells]
        x, y = level + 0.5 * rng.normal(size=40), level + 0.5 * rng.normal(size=40)
        small += permutation_p(x, y, cells, rng, 200) < 0.05
        naive += permutation_p(x, y, np.zeros(40), rng, 200) < 0.05
    assert 0.02 <= small / 400 <= 0.08
    assert naive / 400 > 0.3


def test_permutation_finds_a_falling_relation_inside_cells_that_rise_together(rng):
    cells = np.repeat(np.arange(4), 10)
    within = rng.normal(size=40)
    x, y = 2 * cells + within, 2 * cells - within + 0.3 * rng.normal(size=40)
    assert spearman(x, y, np.ones((40, 1)))[0] > 0.5
    # Far from 0 in the other direction, and yet far below what shuffling gives.
    assert permutation_p(x, y, cells, rng, 500) == pytest.approx(1 / 501)


def test_permutation_finds_a_relation_and_skips_constants(rng):
    x, y = related(rng, 40, 0.95)
    assert permutation_p(x, y, np.repeat([0, 1], 20), rng, 500) == pytest.approx(1 / 501)
    assert permutation_p(np.ones(40), y, np.zeros(40), rng, 100) is None
