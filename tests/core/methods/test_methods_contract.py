"""Every registered method finds a planted direction, with the right sign, and behaves as a steering method must."""

import numpy as np
import pytest

from asteer_core.errors import ConfigError, DataError
from asteer_core.methods import METHODS, fit_vector
from asteer_core.types import Add, Rotate

NAMES = METHODS.names()
LEARNED = [name for name in NAMES if name != "random"]
D = 48


def planted_pairs(seed, pairs=160, d=D, push=2.5):
    """Pairs that share a large offset per pair; dimensions differ tenfold in scale. Returns positive, negative, unit truth."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(d)
    truth /= np.linalg.norm(truth)
    shared = 3 * rng.standard_normal((pairs, d)) + 5
    amount = push * (1 + 0.2 * rng.standard_normal(pairs))
    noise = 0.15
    positive = shared + amount[:, None] * truth + noise * rng.standard_normal((pairs, d))
    negative = shared + noise * rng.standard_normal((pairs, d))
    return positive, negative, truth


def vector_of(name, seed=0, **keywords):
    positive, negative, _ = planted_pairs(seed)
    train, held = (positive[:120], negative[:120]), (positive[120:], negative[120:])
    rng = np.random.default_rng(seed)
    return fit_vector("toxicity", "tiny", name, 2, train, held, 10.0, rng, **keywords)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", LEARNED)
def test_a_method_recovers_the_planted_direction_with_its_sign(name, seed):
    positive, negative, truth = planted_pairs(seed)
    direction = METHODS.get(name).fit(positive, negative, np.random.default_rng(seed)).direction
    assert direction @ truth > 0.98
    assert np.linalg.norm(direction) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", LEARNED)
def test_swapping_the_classes_turns_the_direction_round(name, seed):
    positive, negative, _ = planted_pairs(seed)
    method = METHODS.get(name)
    there = method.fit(positive, negative, np.random.default_rng(0)).direction
    back = method.fit(negative, positive, np.random.default_rng(0)).direction
    np.testing.assert_allclose(there, -back, atol=1e-5)


@pytest.mark.parametrize("name", LEARNED)
def test_order_of_pairs_a_common_offset_and_a_common_factor_do_not_matter(name):
    positive, negative, _ = planted_pairs(3)
    method = METHODS.get(name)
    order = np.random.default_rng(1).permutation(len(positive))
    plain = method.fit(positive, negative, np.random.default_rng(0)).direction
    for p, n in [(positive[order], negative[order]), (positive + 7.0, negative + 7.0), (positive * 30, negative * 30)]:
        np.testing.assert_allclose(method.fit(p, n, np.random.default_rng(0)).direction, plain, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in LEARNED if name != "probe"])  # the probe standardises axis by axis
def test_a_rotation_of_the_space_rotates_the_direction(name):
    positive, negative, _ = planted_pairs(2)
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((D, D)))[0]
    plain = METHODS.get(name).fit(positive, negative, np.random.default_rng(0)).direction
    turned = METHODS.get(name).fit(positive @ turn, negative @ turn, np.random.default_rng(0)).direction
    np.testing.assert_allclose(turned, plain @ turn, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_strength_zero_edits_nothing(name):
    assert METHODS.get(name).edits(vector_of(name), 0.0) == ()


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_has_the_size_and_block_it_promises(name):
    vector = vector_of(name)
    (edit,) = METHODS.get(name).edits(vector, 0.5)
    assert edit.block == 2
    if isinstance(edit, Add):
        assert edit.vector.dtype == np.float32
        np.testing.assert_allclose(edit.vector, 5.0 * vector.direction, rtol=1e-5)
    else:
        assert isinstance(edit, Rotate)
        assert edit.fraction == 0.5
        assert edit.b1.dtype == edit.b2.dtype == np.float32
        np.testing.assert_allclose([edit.b1 @ edit.b1, edit.b2 @ edit.b2, edit.b1 @ edit.b2], [1, 1, 0], atol=1e-5)


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_a_strength_that_is_not_finite_is_refused(name, strength):
    with pytest.raises(ConfigError, match="strength"):
        METHODS.get(name).edits(vector_of(name), strength)


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_a_rotation_beyond_the_dial_is_refused(strength):
    with pytest.raises(ConfigError, match="from 0 to 1"):
        METHODS.get("angular").check_strength(strength)


@pytest.mark.parametrize("name", NAMES)
def test_pairs_of_other_shapes_are_refused(name):
    positive, negative, _ = planted_pairs(0)
    with pytest.raises(DataError, match="same contrastive pair"):
        METHODS.get(name).fit(positive, negative[:-1], np.random.default_rng(0))
    with pytest.raises(DataError, match="d_model"):
        METHODS.get(name).fit(positive[0], negative[0], np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_too_few_pairs_are_refused(name):
    method = METHODS.get(name)
    with pytest.raises(DataError, match=f"at least {method.min_pairs} pairs"):
        method.fit(np.ones((method.min_pairs - 1, 4)), np.zeros((method.min_pairs - 1, 4)), np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_identical_positives_and_negatives_are_refused(name):
    positive, _, _ = planted_pairs(0)
    with pytest.raises(DataError, match="identical"):
        METHODS.get(name).fit(positive, positive.copy(), np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_refused_with_its_rows(name):
    positive, negative, _ = planted_pairs(0)
    positive[3, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 160 pairs .*\[3\]"):
        METHODS.get(name).fit(positive, negative, np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_documents_itself(name):
    method = METHODS.get(name)
    assert method.name == name
    assert method.positions in ("mean", "last", "all")
    assert 10 < len(method.description) < 100
    assert method.source.startswith("https://") or method.source == "control"


def test_random_is_seeded_by_its_generator_alone():
    positive, negative, truth = planted_pairs(0)
    draws = [METHODS.get("random").fit(positive, negative, np.random.default_rng(s)).direction for s in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert abs(draws[0] @ draws[2]) < 0.6
    assert abs(draws[0] @ truth) < 0.6


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'angular'"):
        METHODS.get("angulr")
