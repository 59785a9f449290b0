"""Paired differences of AUROC: against DeLong, by simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from asteer_core.detectors import compare, delong


def two_arms(rng, n_groups=120, n_seeds=3, gap_a=1.2, gap_b=1.2, noise=0.6):
    """Two detectors that share the texts' difficulty; the true difference of AUROCs is known."""
    groups, labels = np.repeat(np.arange(n_groups), 2), np.tile([0, 1], n_groups)
    difficulty = rng.normal(size=n_groups)[groups] * 0.5 + rng.normal(size=len(labels))

    def scores(gap):
        return expit(gap * labels + difficulty + noise * rng.normal(size=(n_seeds, len(labels))))

    deviation = np.sqrt(2 * (0.25 + 1 + noise**2))
    return labels, scores(gap_a), scores(gap_b), groups, float(ndtr(gap_a / deviation) - ndtr(gap_b / deviation))


def test_estimate_is_the_difference_of_mean_aurocs(rng):
    labels, a, b, groups, _ = two_arms(rng, gap_b=0.5)
    expected = np.mean([roc_auc_score(labels, s) for s in a]) - np.mean([roc_auc_score(labels, s) for s in b])
    assert compare(labels, a, b, groups, rng).estimate == pytest.approx(expected, abs=1e-9)


def test_swapping_the_arms_turns_the_sign(rng):
    labels, a, b, groups, _ = two_arms(rng, n_seeds=1, gap_b=0.5)
    there = compare(labels, a, b, groups, np.random.default_rng(1))
    back = compare(labels, b, a, groups, np.random.default_rng(1))
    assert (there.estimate, there.lo, there.hi) == pytest.approx((-back.estimate, -back.hi, -back.lo))
    assert there.p == pytest.approx(back.p)


def test_a_detector_does_not_differ_from_itself(rng):
    labels, a, _, groups, _ = two_arms(rng, n_seeds=1)
    same = compare(labels, a, a, groups, rng)
    assert (same.estimate, same.lo, same.hi, same.p) == (0, 0, 0, 1)


def test_numbers_of_seeds_may_differ(rng):
    labels, a, b, groups, _ = two_arms(rng, n_seeds=5, gap_b=0.2)
    difference = compare(labels, a, b[:2], groups, rng)
    assert difference.lo < difference.estimate < difference.hi
    assert difference.p < 0.01


def test_bootstrap_agrees_with_delong_where_every_text_is_its_own_group(rng):
    labels, a, b, _, _ = two_arms(rng, n_groups=400, n_seeds=1, gap_b=0.9)
    ours, theirs = compare(labels, a, b, np.arange(800), rng, n_boot=4000), delong(labels, a[0], b[0])
    assert ours.estimate == pytest.approx(theirs.estimate, abs=1e-12)
    assert (ours.lo, ours.hi) == pytest.approx((theirs.lo, theirs.hi), abs=0.004)
    assert norm.isf(ours.p / 2) == pytest.approx(norm.isf(theirs.p / 2), rel=0.06)


@pytest.mark.parametrize("n_positive", [15, 6, 24])  # equal classes would hide which class divides by which number
def test_delong_equals_its_definition_by_brute_force(rng, n_positive):
    labels = (np.arange(30) < n_positive).astype(int)
    scores = np.round(rng.random((2, 30)), 1)
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    wins = (positive[:, :, None] > negative[:, None, :]) + 0.5 * (positive[:, :, None] == negative[:, None, :])
    v10, v01 = wins.mean(axis=2), wins.mean(axis=1)
    covariance = np.cov(v10) / n_positive + np.cov(v01) / (30 - n_positive)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    got = delong(labels, scores[0], scores[1])
    assert got.estimate == pytest.approx(wins[0].mean() - wins[1].mean(), abs=1e-12)
    assert got.hi - got.estimate == pytest.approx(norm.ppf(0.975) * error, abs=1e-9)


@pytest.mark.parametrize("noise", [0.3, 0.9])  # little and much of what differs between seeds is noise of single texts
def test_false_positives_stay_at_five_percent_and_intervals_cover(rng, noise):
    small, covered = 0, 0
    for _ in range(500):
        labels, a, b, groups, _ = two_arms(rng, noise=noise)
        small += compare(labels, a, b, groups, rng, n_boot=300).p < 0.05
        labels, a, b, groups, truth = two_arms(rng, gap_b=0.7, noise=noise)
        difference = compare(labels, a, b, groups, rng, n_boot=300)
        covered += difference.lo <= truth <= difference.hi
    assert 0.025 <= small / 500 <= 0.08
    assert 0.92 <= covered / 500 <= 0.98


def test_intervals_count_how_much_trainings_differ(rng):
    covered = 0
    for _ in range(400):
        groups, labels = np.repeat(np.arange(150), 2), np.tile([0, 1], 150)
        # Whole trainings succeed or fail: the mean over all possible seeds is the target, five are seen.
        gaps = 1 + 0.3 * rng.normal(size=(2, 5, 1))
        scores = expit(gaps * labels + rng.normal(size=300))
        difference = compare(labels, scores[0], scores[1], groups, rng, n_boot=300)
        covered += difference.lo <= 0 <= difference.hi
    assert 0.9 <= covered / 400 <= 0.98
