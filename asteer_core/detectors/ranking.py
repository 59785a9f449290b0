"""AUROC, average precision and TPR at a fixed FPR under many weightings of the same texts at once.

Scores are sorted once per detector; a resample costs additions only. Not here: intervals (`evaluation.py`).
"""

from __future__ import annotations

import numpy as np


def _above_and_tied(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of the texts in `of` scored above, and level with, each positive; both [positive, resample]."""
    order = np.flatnonzero(of)[np.argsort(-scores[of], kind="stable")]
    descending = -scores[order]
    total = np.zeros((len(order) + 1, weights.shape[1]), dtype=weights.dtype)
    np.cumsum(weights[order], axis=0, out=total[1:])
    positive = -scores[labels]
    above = total[np.searchsorted(descending, positive, "left")]
    return above, total[np.searchsorted(descending, positive, "right")] - above


def auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return P(a positive outscores a negative) with ties counted half, [resample]; NaN where a class has no weight.

    Args:
        labels: 0/1 or bool [text]. scores: [text]. weights: [text, resample], zero or more.
    """
    labels = np.asarray(labels) == 1
    above, tied = _above_and_tied(labels, scores, weights, ~labels)
    return _auroc(weights[labels], weights[~labels].sum(axis=0), above, tied)


def _auroc(positive: np.ndarray, negatives: np.ndarray, above: np.ndarray, tied: np.ndarray) -> np.ndarray:
    lost = np.einsum("pb,pb->b", positive, above + tied / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - lost.astype(float) / (positive.sum(axis=0).astype(float) * negatives)


def ranking_metrics(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, max_fpr: float) -> dict[str, np.ndarray]:
    """Return auroc, auprc (average precision) and tpr (the highest at FPR <= max_fpr, without interpolation), each [resample]."""
    positive, negatives = weights[labels], weights[~labels].sum(axis=0)
    above, tied = _above_and_tied(labels, scores, weights, ~labels)
    hits_above, hits_tied = _above_and_tied(labels, scores, weights, labels)
    false, true = above + tied, hits_above + hits_tied
    positives = positive.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # No weight at or above a threshold means the positive itself was not drawn: it adds nothing.
        precision = np.where(true > 0, true / (true + false), 0)
        return {
            "auroc": _auroc(positive, negatives, above, tied),
            "auprc": np.einsum("pb,pb->b", positive, precision) / positives,
            "tpr": np.einsum("pb,pb->b", positive, (false <= max_fpr * negatives).astype(positive.dtype)) / positives,
        }
