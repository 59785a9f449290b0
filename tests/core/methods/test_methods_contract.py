"""Every registered method finds a planted direction, with the right sign, and behaves as a steering method must."""

import numpy as np
import pytest

from asteer_core.errors import ConfigError, DataError
from asteer_core.methods import METHODS, fit_vector
from asteer_core.types import Add, Affine, Rotate
from tests.core.methods.conftest import D, head_pairs, planted_pairs

NAMES = METHODS.names()
FITTED = [name for name in NAMES if name not in ("random", "imported")]
DIALLED = [name for name in NAMES if METHODS.get(name).has_dial]
# An autoencoder reads a fixed space, so a shift, a factor or a rotation of the activations is another input to it.
EQUIVARIANT = [name for name in FITTED if name != "sae"]


@pytest.fixture
def fitted(given_for):
    """A function (method, positive, negative, truth, seed) -> its fit."""

    def fit(name, positive, negative, truth, seed=0):
        method = METHODS.get(name)
        return method.fit(positive, negative, np.random.default_rng(seed), given_for(name, positive, negative, truth, seed))

    return fit


@pytest.fixture
def vector_of(given_for):
    """A function method -> a vector fitted on planted pairs, with a held-out quarter."""

    def make(name, seed=0):
        positive, negative, truth = planted_pairs(seed)
        train, held = (positive[:120], negative[:120]), (positive[120:], negative[120:])
        given = given_for(name, positive, negative, truth, seed)
        return fit_vector("toxicity", "tiny", name, 2, train, held, 10.0, np.random.default_rng(seed), given)

    return make


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", FITTED)
def test_a_method_recovers_the_planted_direction_with_its_sign(fitted, name, seed):
    direction = fitted(name, *planted_pairs(seed), seed).direction
    assert direction @ planted_pairs(seed)[2] > 0.98
    assert np.linalg.norm(direction) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", FITTED)
def test_swapping_the_classes_turns_the_direction_round(fitted, name, seed):
    positive, negative, truth = planted_pairs(seed)
    there = fitted(name, positive, negative, truth).direction
    back = fitted(name, negative, positive, truth).direction
    np.testing.assert_allclose(there, -back, atol=1e-5)


@pytest.mark.parametrize("name", FITTED)
def test_the_order_of_pairs_does_not_matter(fitted, name):
    positive, negative, truth = planted_pairs(3)
    order = np.r_[np.random.default_rng(1).permutation(120), 120 + np.random.default_rng(2).permutation(40)]
    plain = fitted(name, positive, negative, truth).direction
    np.testing.assert_allclose(fitted(name, positive[order], negative[order], truth).direction, plain, atol=1e-4)


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_a_common_offset_and_a_common_factor_do_not_matter(fitted, name):
    positive, negative, truth = planted_pairs(3)
    plain = fitted(name, positive, negative, truth).direction
    for p, n in [(positive + 7.0, negative + 7.0), (positive * 30, negative * 30)]:
        np.testing.assert_allclose(fitted(name, p, n, truth).direction, plain, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in EQUIVARIANT if name not in ("probe", "iti")])  # they know the axes: z-scores, heads
def test_a_rotation_of_the_space_rotates_the_direction(fitted, name):
    positive, negative, truth = planted_pairs(2)
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((D, D)))[0]
    plain = fitted(name, positive, negative, truth).direction
    np.testing.assert_allclose(fitted(name, positive @ turn, negative @ turn, truth @ turn).direction, plain @ turn, atol=1e-6)


@pytest.mark.parametrize("name", DIALLED)
def test_strength_zero_edits_nothing(vector_of, name):
    assert METHODS.get(name).edits(vector_of(name), 0.0) == ()


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_has_the_size_and_block_it_promises(vector_of, name):
    vector = vector_of(name)
    (edit,) = METHODS.get(name).edits(vector, 0.5 if name in DIALLED else None)
    assert edit.block == 2
    if isinstance(edit, Add) and edit.site == "block_output":
        assert edit.vector.dtype == np.float32
        np.testing.assert_allclose(edit.vector, 5.0 * vector.direction, rtol=1e-5)
    elif isinstance(edit, Add):
        # What the heads write into the stream has the promised size and direction.
        positive, negative, truth = planted_pairs(0)
        written = head_pairs(positive, negative, truth, 0).writing @ edit.vector
        np.testing.assert_allclose(written, 5.0 * vector.direction, atol=1e-4)
    elif isinstance(edit, Affine):
        assert edit.direction.dtype == edit.offset.dtype == np.float32
        np.testing.assert_allclose(edit.direction, vector.direction)
    else:
        assert isinstance(edit, Rotate)
        assert edit.fraction == 0.5
        assert edit.b1.dtype == edit.b2.dtype == np.float32
        np.testing.assert_allclose([edit.b1 @ edit.b1, edit.b2 @ edit.b2, edit.b1 @ edit.b2], [1, 1, 0], atol=1e-5)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), None])
@pytest.mark.parametrize("name", DIALLED)
def test_a_missing_strength_or_one_that_is_not_finite_is_refused(vector_of, name, strength):
    with pytest.raises(ConfigError, match="strength"):
        METHODS.get(name).check_strength(strength)
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
