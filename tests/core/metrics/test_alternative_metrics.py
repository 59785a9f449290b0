"""Alternatives for sensitivity analysis, each against its definition by brute force, and on the sets it is known to see or miss."""

import lzma
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist, pdist

from asteer_core.errors import ConfigError, DataError
from asteer_core.metrics import METRICS
from asteer_core.metrics.chamfer import chamfer
from asteer_core.metrics.cluster_entropy import cluster_entropy
from asteer_core.metrics.compression_ratio import compression_ratio
from asteer_core.metrics.coverage import coverage
from asteer_core.metrics.dcscore import dcscore
from asteer_core.metrics.mean_pairwise_distance import mean_pairwise_distance
from asteer_core.metrics.mtld import mtld
from asteer_core.metrics.vendi import vendi
from asteer_core.metrics.vendi_order import vendi_of_order

rows = arrays(np.float64, st.tuples(st.integers(2, 10), st.integers(2, 6)), elements=st.floats(-2, 2)).filter(
    lambda a: np.linalg.norm(a, axis=1).min() > 1e-2
)


@given(rows)
@settings(max_examples=60)
def test_distances_equal_those_of_scipy(embeddings):
    assert mean_pairwise_distance(embeddings) == pytest.approx(pdist(embeddings, "cosine").mean(), abs=1e-9)
    apart = cdist(embeddings, embeddings, "cosine")
    np.fill_diagonal(apart, np.inf)
    assert chamfer(embeddings) == pytest.approx(apart.min(axis=1).mean(), abs=1e-9)


@given(rows)
@settings(max_examples=60)
def test_dcscore_equals_its_sum_and_lies_between_one_and_n(embeddings):
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = sum(math.exp(unit[i] @ unit[i]) / sum(math.exp(unit[i] @ other) for other in unit) for i in range(len(unit)))
    assert dcscore(embeddings) == pytest.approx(expected)
    assert 1 - 1e-9 <= dcscore(embeddings) <= len(unit)


@given(rows)
@settings(max_examples=60)
def test_vendi_falls_with_its_order_and_meets_the_plain_score_at_one(embeddings):
    values = [vendi_of_order(embeddings, q) for q in (0.1, 0.5, 1, 2, 5, math.inf)]
    assert all(a >= b * (1 - 1e-9) for a, b in pairwise(values))
    assert vendi_of_order(embeddings, 1) == vendi(embeddings)
    assert vendi_of_order(embeddings, 1 + 1e-6) == pytest.approx(vendi(embeddings), rel=1e-3)


def test_vendi_of_order_two_is_one_over_the_mean_squared_cosine():
    x = np.random.default_rng(0).standard_normal((9, 4))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert vendi_of_order(x, 2) == pytest.approx(1 / np.square(unit @ unit.T).mean())
    with pytest.raises(ConfigError, match="order"):
        vendi_of_order(x, -1)


def mtld_by_hand(tokens):
    factors, start = 0.0, 0
    for end in range(1, len(tokens) + 1):
        ratio = len(set(tokens[start:end])) / (end - start)
        if ratio < 0.72:
            factors, start = factors + 1, end
    if start < len(tokens):
        factors += (1 - len(set(tokens[start:])) / (len(tokens) - start)) / 0.28
    return len(tokens) / factors if factors else len(tokens)


def test_mtld_counts_the_stretches_of_a_worked_example():
    # a b a | ratio 2/3 < .72 ends a stretch after every third token, from both ends.
    assert mtld(["a", "b", "a"] * 4) == pytest.approx(3)
    assert mtld(["a", "b", "c"]) == 3
    assert mtld([]) == 0
    # Read forwards, the first stretch ends after two tokens; read backwards, after five.
    back = ["a", "a", "b", "c", "d"]
    one_way = {tuple(text): mtld_by_hand(text) for text in (back, back[::-1])}
    assert one_way[tuple(back)] != one_way[tuple(back[::-1])]
    assert mtld(back) == pytest.approx(np.mean(list(one_way.values())))
    assert mtld(["a"] * 40) < mtld([f"w{i % 7}" for i in range(40)]) < mtld([f"w{i % 30}" for i in range(40)])


def test_compression_sees_copies_beyond_the_window_of_gzip():
    rng = np.random.default_rng(0)
    long = [[f"{n:05d}" for n in rng.integers(100_000, size=6000)] for _ in range(2)]  # 36 kB each
    assert compression_ratio([long[0], long[0]]) > 1.8 * compression_ratio(long)
    with pytest.raises(DataError, match="no token"):
        compression_ratio([[], []])


@pytest.mark.parametrize(("kinds", "length"), [(3, 1), (3, 400), (50, 3000), (5000, 9000)])
def test_compression_is_that_of_preset_nine(rng, kinds, length):
    corpus = [[str(word) for word in rng.integers(kinds, size=length)] for _ in range(3)]
    joined = "\n".join(" ".join(tokens) for tokens in corpus).encode()
    whole = lzma.compress(joined, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}])
    assert compression_ratio(corpus) == pytest.approx(len(joined) / len(whole), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_coverage_equals_a_loop_over_the_real_texts(seed):
    rng = np.random.default_rng(seed)
    real, made = rng.standard_normal((20, 3)), rng.standard_normal((6, 3))
    within, across = cdist(real, real, "cosine"), cdist(real, made, "cosine")
    expected = np.mean([across[i].min() <= np.sort(np.delete(within[i], i))[4] for i in range(20)])
    assert coverage(made, real) == pytest.approx(expected)
    assert coverage(real, real) == 1


def test_coverage_falls_when_the_corpus_collapses_on_one_kind():
    real = np.repeat(np.eye(4), 10, axis=0) + 0.05 * np.random.default_rng(0).standard_normal((40, 4))
    assert coverage(real[:10], real) == pytest.approx(0.25, abs=0.05)
    with pytest.raises(DataError, match="more than 5 real texts"):
        coverage(real, real[:5])


def test_cluster_entropy_counts_planted_clusters():
    assert cluster_entropy(np.repeat(np.eye(5), 4, axis=0)) == pytest.approx(math.log(5))
    assert cluster_entropy(np.ones((6, 3))) == 0
    assert cluster_entropy(np.ones((1, 3))) == 0
    assert cluster_entropy(np.eye(6)) == pytest.approx(math.log(6))


@pytest.mark.parametrize("name", ["vendi", "vendi_q05", "vendi_q2", "vendi_qinf", "dcscore", "cluster_entropy"])
def test_an_effective_number_does_not_rise_with_copies(name):
    base = np.random.default_rng(1).standard_normal((20, 8))
    copied = np.concatenate([base[:4]] * 5)
    assert METRICS.get(name).of([], copied) < METRICS.get(name).of([], base)


def test_mean_pairwise_distance_is_blind_to_copies_and_chamfer_is_not():
    base = np.random.default_rng(1).standard_normal((200, 8))
    copied = np.concatenate([base[:100]] * 2)
    assert mean_pairwise_distance(copied) == pytest.approx(mean_pairwise_distance(base), abs=0.03)
    assert chamfer(copied) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["chamfer", "mean_pairwise_distance", "dcscore", "vendi_q2", "cluster_entropy"])
def test_zero_rows_are_refused(name):
    with pytest.raises(DataError, match="non-zero"):
        METRICS.get(name).of([], np.zeros((3, 2)))


def test_what_a_metric_lacks_is_named():
    with pytest.raises(DataError, match="needs embeddings"):
        METRICS.get("chamfer").of([["a"]])
    with pytest.raises(DataError, match="real texts"):
        METRICS.get("coverage").of([["a"]], np.ones((1, 2)))
    with pytest.raises(DataError, match="at least one response"):
        METRICS.get("mattr").of([])
    for function in (chamfer, mean_pairwise_distance):
        with pytest.raises(DataError, match="at least 2"):
            function(np.ones((1, 2)))
