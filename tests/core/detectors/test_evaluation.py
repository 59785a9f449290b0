"""Detector measures against scikit-learn, their intervals against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

from asteer_core.detectors import MEASURES, evaluate, quarter_auroc
from asteer_core.detectors.ranking import auroc, ranking_metrics
from asteer_core.detectors.resampling import group_weights, seed_weights
from asteer_core.errors import DataError


def planted_test(rng, n_groups=120, per_group=2, n_seeds=3, gap=1.2, group_noise=0.5, seed_noise=0.3):
    """Scores whose expected AUROC is known: all noise is normal, so AUROC = Phi(gap / (sqrt(2) * sd))."""
    groups = np.repeat(np.arange(n_groups), per_group)
    labels = np.tile(np.arange(per_group) % 2, n_groups)
    shared = rng.normal(size=n_groups)[groups] * group_noise
    latent = gap * labels + shared + rng.normal(size=len(labels)) + seed_noise * rng.normal(size=(n_seeds, len(labels)))
    variance = group_noise**2 + 1 + seed_noise**2
    return labels, expit(latent), groups, float(ndtr(gap / np.sqrt(2 * variance)))


@pytest.mark.parametrize("decimals", [1, 2, 12])  # few decimals make many ties
def test_measures_equal_scikit_learn_with_weights(rng, decimals):
    labels = rng.random(200) < 0.4
    scores = np.round(np.clip(0.3 * labels + 0.6 * rng.random(200), 0, 1), decimals)
    weights = rng.integers(0, 4, size=(200, 5)).astype(float)
    ours = ranking_metrics(labels, scores, weights, 0.05)
    for b in range(5):
        w = weights[:, b]
        fpr, tpr, _ = roc_curve(labels, scores, sample_weight=w, drop_intermediate=False)
        assert ours["auroc"][b] == pytest.approx(roc_auc_score(labels, scores, sample_weight=w), abs=1e-9)
        assert ours["auprc"][b] == pytest.approx(average_precision_score(labels, scores, sample_weight=w), abs=1e-9)
        assert ours["tpr"][b] == pytest.approx(tpr[fpr <= 0.05 + 1e-12].max(), abs=1e-9)


def test_evaluate_reports_the_unweighted_measures(rng):
    labels, scores, groups, _ = planted_test(rng)
    got = evaluate(labels, scores, groups, rng, n_boot=50)
    assert got["auroc"] == pytest.approx(np.mean([roc_auc_score(labels, s) for s in scores]), abs=1e-9)
    assert got["brier"] == pytest.approx(np.mean([brier_score_loss(labels, s) for s in scores]), abs=1e-9)
    assert got["auprc"] == pytest.approx(np.mean([average_precision_score(labels, s) for s in scores]), abs=1e-9)
    curves = [roc_curve(labels, s, drop_intermediate=False) for s in scores]
    assert got["tpr_at_1_fpr"] == pytest.approx(np.mean([tpr[fpr <= 0.01].max() for fpr, tpr, _ in curves]), abs=1e-9)
    assert got["ece_15"] == pytest.approx(np.mean([ece_by_hand(labels, s) for s in scores]), abs=1e-9)
    assert (got["prevalence"], got["n_groups"], got["n_seeds"]) == (0.5, 120, 3)
    for name in MEASURES:
        assert 0 <= got[f"{name}_lo"] <= got[f"{name}_hi"] <= 1


def ece_by_hand(labels, scores):
    total = 0.0
    for k in range(15):
        inside = (scores >= k / 15) & ((scores < (k + 1) / 15) | (k == 14))
        if inside.any():
            total += inside.mean() * abs(labels[inside].mean() - scores[inside].mean())
    return total


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_auroc_is_one_minus_itself_when_scores_are_reversed(rows):
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]) / 6
    if labels.all() or not labels.any():
        return
    ones = np.ones((len(labels), 1))
    assert auroc(labels, scores, ones)[0] + auroc(labels, 1 - scores, ones)[0] == pytest.approx(1)
    assert auroc(labels, scores**3, ones)[0] == pytest.approx(auroc(labels, scores, ones)[0])


def test_integer_labels_are_labels_and_not_indices(rng):
    labels, scores = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    assert auroc(labels, scores, np.ones((4, 1)))[0] == auroc(labels == 1, scores, np.ones((4, 1)))[0] == 0.75


def test_intervals_cover_the_true_auroc_between_92_and_98_percent(rng):
    hits = 0
    for _ in range(500):
        labels, scores, groups, truth = planted_test(rng, per_group=4)
        got = evaluate(labels, scores, groups, rng, n_boot=300)
        hits += got["auroc_lo"] <= truth <= got["auroc_hi"]
    assert 0.92 <= hits / 500 <= 0.98


def test_groups_are_drawn_whole(rng):
    groups = np.array(["a", "a", "b", "c", "b", "c"])
    weights = group_weights(groups, rng, 200)
    assert (weights[0] == weights[1]).all() and (weights[2] == weights[4]).all()
    assert (weights[[0, 2, 3]].sum(axis=0) == 3).all()


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_seed_weights_give_the_unbiased_variance_of_a_mean(rng, n_seeds):
    values = rng.normal(size=n_seeds)
    draws = values @ seed_weights(n_seeds, rng, 200_000)
    assert draws.var() == pytest.approx(values.var(ddof=1) / n_seeds, rel=0.03)


def test_ignoring_groups_makes_intervals_too_narrow(rng):
    groups = np.repeat(np.arange(60), 10)
    labels = np.tile([0, 1] * 5, 60)
    # Prompts differ in how well they separate: that is what resampling single texts would miss.
    skill = rng.normal(0.8, 1.5, size=60)[groups]
    scores = expit(skill * labels + rng.normal(size=600))
    whole = evaluate(labels, scores, groups, np.random.default_rng(0))
    single = evaluate(labels, scores, np.arange(600), np.random.default_rng(0))
    assert whole["auroc_hi"] - whole["auroc_lo"] > 1.2 * (single["auroc_hi"] - single["auroc_lo"])


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_quarters_share_neither_groups_nor_seeds_and_agree_with_the_whole(rng, n_seeds):
    labels, scores, groups, _ = planted_test(rng, n_groups=60, n_seeds=n_seeds)
    quarters = quarter_auroc(labels, scores, groups, np.random.default_rng(3), n_splits=200)
    assert quarters.shape == (200, 2, 2)
    assert quarters.mean() == pytest.approx(evaluate(labels, scores, groups, rng)["auroc"], abs=0.02)
    # A group, or a seed, that is turned over changes one half of each split and never both.
    for axis, turned in ((1, (groups == 0)[None, :]), (2, (np.arange(n_seeds) == 1)[:, None])):
        changed = np.where(turned, 1 - scores, scores)
        moved = quarter_auroc(labels, changed, groups, np.random.default_rng(3), n_splits=200) != quarters
        by_half = moved.any(axis=3 - axis)
        assert (by_half.sum(axis=1) <= 1).all() and by_half.any(axis=0).all()
        if axis == 1 or n_seeds % 2 == 0:
            assert (by_half.sum(axis=1) == 1).all()
        else:
            assert (by_half.sum(axis=1) == 0).mean() == pytest.approx(1 / n_seeds, abs=0.12)  # the seed that is left out


def test_equally_seeded_configurations_are_halved_alike(rng):
    labels, scores, groups, _ = planted_test(rng, n_groups=30)
    one, other = (quarter_auroc(labels, each, groups, np.random.default_rng(0), n_splits=9) for each in (scores, scores**2))
    assert (one == other).all()  # the ranks of the texts are the same, so any difference would be one of halves


def test_a_half_that_lacks_a_class_has_no_auroc(rng):
    labels, groups = np.array([1, 1, 0, 0]), np.array(["a", "b", "c", "d"])
    quarters = quarter_auroc(labels, rng.random((2, 4)), groups, rng, n_splits=60)
    assert set(np.isnan(quarters).any(axis=(1, 2))) == {True, False}


@pytest.mark.parametrize(
    ("seeds", "groups", "says"), [(1, [1, 2, 3, 4], "1 seeds and 4"), (2, [1, 1, 1, 1], "2 seeds and 1 prompt groups")]
)
def test_what_cannot_be_halved_is_named(rng, seeds, groups, says):
    with pytest.raises(DataError, match=f"caa: {says}"):
        quarter_auroc(np.array([0, 1, 0, 1]), rng.random((seeds, 4)), np.array(groups), rng, where="caa")


@pytest.mark.parametrize(
    ("labels", "scores", "groups", "message"),
    [
        ([1, 1, 1], [[0.1, 0.2, 0.3]], [1, 2, 3], "caa s0.6: 3 of 3 test texts are positive"),
        ([0, 0, 1], [[0.1, np.nan, 0.3]], [1, 2, 3], "score nan of seed 0, text 1"),
        ([0, 0, 1], [[0.1, 1.2, 0.3]], [1, 2, 3], r"must be probabilities in \[0, 1\]"),
        ([0, 0, 2], [[0.1, 0.2, 0.3]], [1, 2, 3], "expected 0 .compliant. and 1"),
        ([0, 1], [[0.1, 0.2, 0.3]], [1, 2], r"2 test labels, scores of shape \(1, 3\), 2 groups"),
        ([0, 1, 1], [[0.1, 0.2, 0.3]], [1, 1, 1], "at least 2 groups; got 1"),
    ],
)
def test_broken_test_data_is_named(rng, labels, scores, groups, message):
    with pytest.raises(DataError, match=message):
        evaluate(np.array(labels), np.array(scores), np.array(groups), rng, where="caa s0.6")
