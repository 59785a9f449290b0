"""Metrics of a corpus: measurements in, numbers out. One file per metric; numpy only, no model, no files."""

from asteer_core.metrics._registry import METRICS, Metric, metric
from asteer_core.metrics._tokens import tokenise
from asteer_core.metrics.intervals import (
    Interval,
    LeftOut,
    Spread,
    corpus_intervals,
    corpus_spread,
    difference_intervals,
    mean_draws,
    percentiles,
)
from asteer_core.metrics.measured import METRIC_VERSION, Embedding, Measured, MetricSettings, Scores
from asteer_core.metrics.reference import Reference, fit_reference, pair_cosines, random_pair_cosines
from asteer_core.metrics.scoring import score_corpus

__all__ = [
    "METRICS",
    "METRIC_VERSION",
    "Embedding",
    "Interval",
    "LeftOut",
    "Measured",
    "Metric",
    "MetricSettings",
    "Reference",
    "Scores",
    "Spread",
    "corpus_intervals",
    "corpus_spread",
    "difference_intervals",
    "fit_reference",
    "mean_draws",
    "metric",
    "pair_cosines",
    "percentiles",
    "random_pair_cosines",
    "score_corpus",
    "tokenise",
]
