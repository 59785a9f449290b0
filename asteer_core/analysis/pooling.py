"""Correlations of several concepts in one number, by Fisher's z."""

from __future__ import annotations

import numpy as np


def fisher_pool(correlations: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return tanh of the mean of atanh(r) with weights n - 3, over the first axis; from -1 to 1.

    NaN correlations and sizes of 3 or fewer have no weight. A perfect correlation has an infinite z and decides alone;
    perfect ones of opposite sign have no mean: NaN, as where nothing has weight.

    Args:
        correlations: [concept] or [concept, resample]. sizes: the n of each, same shape.

    Source: Fisher 1921, On the probable error of a coefficient of correlation.
    """
    r, n = np.asarray(correlations, dtype=float), np.asarray(sizes, dtype=float)
    weights = np.where(np.isfinite(r), np.maximum(n - 3, 0), 0)
    usable = weights > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(usable, np.arctanh(np.where(usable, r, 0)), 0)
        infinite = np.isinf(z)
        finite = (weights * np.where(infinite, 0, z)).sum(axis=0) / weights.sum(axis=0)
        up, down = (z == np.inf).any(axis=0), (z == -np.inf).any(axis=0)
    pooled = np.tanh(finite)
    pooled = np.where(up, 1.0, np.where(down, -1.0, pooled))
    return np.where(up & down, np.nan, pooled)
