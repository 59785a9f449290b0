"""Vendi against its definition through the n x n kernel, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from vendi_score.vendi import score_dual

from asteer_core.errors import DataError
from asteer_core.metrics.vendi import spectrum, unit_rows, vendi

rows = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(-3, 3)).filter(
    lambda a: np.linalg.norm(a, axis=1).min() > 1e-2
)


def by_kernel(embeddings):
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvals(unit @ unit.T / len(unit)).real
    positive = eigenvalues[eigenvalues > 1e-12]
    return np.exp(-(positive * np.log(positive)).sum())


@given(rows)
@settings(max_examples=200, deadline=None)
def test_it_equals_the_entropy_of_the_full_kernel(embeddings):
    assert vendi(embeddings) == pytest.approx(by_kernel(embeddings), rel=1e-6)
    assert 1 - 1e-9 <= vendi(embeddings) <= min(embeddings.shape) * (1 + 1e-9)


@given(rows)
@settings(max_examples=50, deadline=None)
def test_it_equals_the_package_of_its_authors(embeddings):
    assert vendi(embeddings) == pytest.approx(score_dual(embeddings), rel=1e-6)


@given(rows, st.floats(0.1, 50))
@settings(max_examples=50, deadline=None)
def test_copies_order_length_and_rotation_do_not_matter(embeddings, factor):
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((embeddings.shape[1],) * 2))[0]
    for other in (np.concatenate([embeddings] * 3), embeddings[::-1], embeddings * factor, embeddings @ turn):
        assert vendi(other) == pytest.approx(vendi(embeddings), rel=1e-6)


def test_k_groups_of_copies_count_as_k():
    groups = np.repeat(np.eye(5), 7, axis=0)
    assert vendi(groups) == pytest.approx(5)
    assert vendi(np.ones((9, 4))) == pytest.approx(1)
    assert spectrum(unit_rows(groups, "x")).sum() == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.array([[1.0, 0], [np.nan, 1]]), np.empty((0, 3)), np.ones(4)])
def test_rows_without_a_direction_are_refused(bad):
    with pytest.raises(DataError, match="vendi needs"):
        vendi(bad)
