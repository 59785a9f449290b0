"""Numbers that mean nothing become NULL with a reason; what correlates ignores and counts them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import budget, ends

from asteer_core.analysis import correlations
from asteer_core.errors import AsteerError
from asteer_core.methods import METHODS, fit_vector
from asteer_core.metrics.measured import Measured, MetricSettings
from asteer_core.metrics.scoring import score_corpus


def frame(rng, n=12, **columns):
    """Return a board of n steered configurations of one concept."""
    board = {
        "study": ["s"] * n, "concept": ["toxicity"] * n, "model": ["m"] * n, "method": ["caa"] * n, "layer": [1] * n,
        "strength": rng.random(n).tolist(), "configuration_id": [str(i) for i in range(n)], "auroc": rng.random(n).tolist(),
        "success": rng.random(n).tolist(), "coherence": rng.random(n).tolist(), "hm": rng.random(n).tolist(),
    }  # fmt: skip
    return pl.DataFrame({**board, **columns}, strict=False)


def row(table, metric):
    return table.filter((pl.col("metric") == metric) & (pl.col("concept") == "toxicity")).row(0, named=True)


def test_a_constant_metric_has_no_correlation_and_says_so(rng):
    found = row(correlations(frame(rng, hm=[0.5] * 12), n_boot=50), "hm")
    assert found["spearman"] is None and found["p_permutation"] is None and found["reason"] == "the metric is constant"


def test_detectors_that_are_all_alike_have_no_correlation_and_say_so(rng):
    found = row(correlations(frame(rng, auroc=[0.5] * 12), n_boot=50), "hm")
    assert found["spearman"] is None and found["reason"] == "AUROC is constant"


@pytest.mark.parametrize("undefined", [float("nan"), float("inf"), float("-inf"), None])
def test_undefined_values_are_ignored_and_counted(rng, undefined):
    values = rng.random(12).tolist()
    board = frame(rng, hm=[undefined, undefined, *values[2:]])
    found = row(correlations(board, n_boot=50), "hm")
    assert (found["n"], found["n_missing"]) == (10, 2)
    expected = row(correlations(board[2:], n_boot=50), "hm")
    assert found["spearman"] == pytest.approx(expected["spearman"])


@budget(40)
@given(
    values=st.lists(st.none() | st.floats(), min_size=12, max_size=12),
    aurocs=st.lists(st.none() | st.floats(0, 1), min_size=12, max_size=12),
)
def test_no_metric_gives_a_number_that_is_no_number(values, aurocs):
    board = frame(np.random.default_rng(0), hm=values, auroc=aurocs).with_columns(pl.col("hm", "auroc").cast(pl.Float64))
    table = ends("correlation", lambda: correlations(board, n_boot=20))
    numbers = table.select(pl.selectors.float())
    assert not any(numbers[name].drop_nulls().is_nan().any() or numbers[name].drop_nulls().is_infinite().any() for name in numbers.columns)
    found = row(table, "hm")
    assert found["spearman"] is not None or found["reason"]
    assert found["n"] + found["n_missing"] == 12


def fit(method, violating, compliant, rng):
    return fit_vector("toxicity", "tiny", method, 1, (violating, compliant), None, 1.0, rng)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["caa", "pca", "probe"])
def test_activations_that_are_no_numbers_cost_their_pairs_alone(rng, method, broken):
    violating, compliant = rng.normal(size=(32, 8)).astype(np.float32) + 1, rng.normal(size=(32, 8)).astype(np.float32)
    violating[3, 2] = broken
    found = fit(method, violating, compliant, rng)
    assert np.isfinite(found.direction).all() and found.metadata["pairs_dropped"] == 1
    with pytest.raises(AsteerError, match="hold NaN or infinity"):
        fit(method, np.full_like(violating, broken), compliant, rng)


@pytest.mark.parametrize("method", [name for name in METHODS.names() if not METHODS.get(name).needs - {"candidates"}])
def test_features_without_variance_give_a_finite_vector_or_a_reason(rng, method):
    same = np.ones((16, 8), np.float32)
    violating = same.copy()
    violating[:, 0] = 2
    for positive in (same, violating):
        found = ends("zero variance", lambda positive=positive: fit(method, positive, same, rng), "toxicity")
        assert isinstance(found, AsteerError) or np.isfinite(found.direction).all()


def measured(probability, **more):
    texts = [f"reply number {n} says something else about it {n}" for n in range(8)]
    return Measured(texts, [str(n) for n in range(8)], judge_probability=np.array(probability), **more)


@pytest.mark.parametrize("always", [0.0, 0.5, 1.0])
def test_a_judge_that_always_answers_the_same_gives_that_and_no_more(rng, always):
    found = score_corpus(measured([always] * 8), None, MetricSettings(subsample_size=4, subsamples=2), rng)
    assert found.corpus["success"] == always and found.corpus["n_null"] == 0
    assert found.corpus["hm"] is None and found.reasons["hm"]


def test_a_judge_that_never_answers_gives_null_and_why(rng):
    found = score_corpus(measured([np.nan] * 8), None, MetricSettings(subsample_size=4, subsamples=2), rng)
    assert found.corpus["success"] is None and found.corpus["n_null"] == 8
    assert found.reasons["success"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_leave_diversity_null_with_a_reason(rng, broken):
    vectors = rng.normal(size=(8, 4)).astype(np.float32)
    vectors[0, 0] = broken
    found = ends("embeddings", lambda: score_corpus(
        measured([1.0] * 8, embeddings=vectors), None, MetricSettings(subsample_size=4, subsamples=2), rng), "embedding")  # fmt: skip
    if not isinstance(found, AsteerError):
        for name, value in found.corpus.items():
            assert value is None or np.isfinite(value), name
        assert found.corpus["vendi"] is not None or found.reasons["vendi"]
