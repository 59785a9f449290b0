"""The mistakes of public implementations, each as a regression test against its wrong version."""

import numpy as np
import pytest

from asteer_core.errors import DataError
from asteer_core.methods import METHODS, Given
from asteer_core.methods.angular import principal_outside


def unit(x):
    return x / np.linalg.norm(x)


@pytest.mark.parametrize("seed", range(8))
def test_pca_does_not_centre_away_the_mean_difference(seed):
    rng = np.random.default_rng(seed)
    truth = unit(rng.standard_normal(64))
    shared = rng.standard_normal((200, 64))
    positive = shared + 4 * truth + 0.3 * rng.standard_normal((200, 64))
    negative = shared + 0.3 * rng.standard_normal((200, 64))
    differences = positive - negative
    centred = np.linalg.svd(differences - differences.mean(axis=0), full_matrices=False)[2][0]
    assert abs(centred @ truth) < 0.5  # the trap: order kept, then centred
    assert METHODS.get("pca").fit(positive, negative, rng).direction @ truth > 0.98


def test_pca_equals_the_svd_of_both_signs():
    rng = np.random.default_rng(0)
    positive, negative = rng.standard_normal((40, 12)) + 1, rng.standard_normal((40, 12))
    both = np.concatenate([positive - negative, negative - positive])
    first = np.linalg.svd(both, full_matrices=False)[2][0]
    assert abs(first @ METHODS.get("pca").fit(positive, negative, rng).direction) == pytest.approx(1)


def test_pca_refuses_a_sign_that_the_labels_leave_open():
    difference = np.tile([[5.0, 0.0], [-5.0, 0.0]], (10, 1))
    with pytest.raises(DataError, match="sign is undecided"):
        METHODS.get("pca").fit(difference, np.zeros_like(difference), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(8))
def test_probe_weights_are_mapped_back_to_activation_units(seed):
    """Two independent axes of the same d', one a hundred times larger: weights that read activations are a hundred times smaller."""
    rng = np.random.default_rng(seed)
    scales, means = np.array([1.0, 100.0, 10.0]), np.array([1.0, 1.0, 0.0])
    positive = (rng.standard_normal((3000, 3)) + means) * scales
    negative = (rng.standard_normal((3000, 3)) - means) * scales
    fit = METHODS.get("probe").fit(positive, negative, rng)
    best = unit(np.array([1.0, 1.0, 0.0]) / scales)
    assert fit.extras["reading"] @ best > 0.999
    assert unit(fit.extras["reading"] * scales) @ best < 0.8  # the weights of z-scores, used as they are
    assert fit.direction @ unit(np.array([1.0, 1.0, 0.0]) * scales) > 0.99


@pytest.mark.parametrize("seed", range(8))
def test_probe_pushes_along_the_pattern_not_along_the_weights(seed):
    """A distractor shared with the signal axis gets a large weight (it cancels noise) although pushing it means nothing."""
    rng = np.random.default_rng(seed)
    label = np.repeat([1.0, -1.0], 2000)
    noise = 3 * rng.standard_normal(4000)
    activations = np.column_stack([label + noise + 0.3 * rng.standard_normal(4000), noise + 0.3 * rng.standard_normal(4000)])
    fit = METHODS.get("probe").fit(activations[:2000], activations[2000:], rng)
    assert abs(fit.extras["reading"][1]) > 0.6
    assert abs(fit.direction[1]) < 0.35
    assert fit.direction[0] > 0.9


def test_probe_ignores_a_constant_dimension():
    rng = np.random.default_rng(0)
    positive, negative = rng.standard_normal((50, 3)) + 1, rng.standard_normal((50, 3))
    positive[:, 2] = negative[:, 2] = 4.0
    fit = METHODS.get("probe").fit(positive, negative, rng)
    assert fit.extras["reading"][2] == 0
    assert abs(fit.direction[2]) < 1e-12


def test_the_angular_plane_holds_the_mean_activation(rng):
    negative = rng.standard_normal((20, 12)) + 5 * np.eye(12)[3]
    positive = negative + np.eye(12)[0]
    fit = METHODS.get("angular").fit(positive, negative, rng)
    mean = (positive + negative).mean(axis=0) / 2
    inside = (mean @ fit.direction) * fit.direction + (mean @ fit.extras["b2"]) * fit.extras["b2"]
    assert np.allclose(inside, mean) and mean @ fit.extras["b2"] > 0


def test_the_angular_plane_comes_from_the_other_blocks_outside_b1():
    rng = np.random.default_rng(0)
    b1, hidden = np.eye(6)[0], np.eye(6)[3]
    blocks = np.array([b1 * a + hidden * b for a, b in [(2, 1.0), (30, 40), (1, 0.2)]]) + 0.001 * rng.standard_normal((3, 6))
    negative = rng.standard_normal((20, 6))
    fit = METHODS.get("angular_candidates").fit(negative + b1, negative, rng, Given(candidates=blocks))
    assert fit.direction @ b1 == pytest.approx(1)
    assert fit.extras["b2"] @ hidden > 0.99
    assert fit.facts["plane_from"] == "blocks"


def test_one_captured_block_spans_no_plane_so_the_pairs_do():
    rng = np.random.default_rng(0)
    negative = rng.standard_normal((20, 6))
    positive = negative + np.eye(6)[0] + 0.1 * rng.standard_normal((20, 6))
    given = Given(candidates=(positive - negative).mean(axis=0)[None])
    fit = METHODS.get("angular_candidates").fit(positive, negative, rng, given)
    assert fit.facts["plane_from"] == "pairs"
    assert abs(fit.direction @ fit.extras["b2"]) < 1e-12


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (np.outer([1.0, 2.0, -3.0], np.eye(4)[0]), "parallel"),
        (np.zeros((3, 4)), "parallel"),
        (np.ones((3, 5)), "shape"),
        (np.full((3, 4), np.nan), "NaN"),
    ],
)
def test_candidates_without_a_plane_are_refused(candidates, message):
    with pytest.raises(DataError, match=message):
        principal_outside(np.eye(4)[0], candidates)
