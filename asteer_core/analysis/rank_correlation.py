"""Pearson, Spearman, Kendall and partial Spearman correlations under many weightings of the same rows at once.

Weights are counts: how often a bootstrap resample holds each row. Not here: drawing them (`resampling.py`), pooling over
concepts (`pooling.py`), or anything that knows the study's frame (`correlations.py`).
"""

from __future__ import annotations

import numpy as np

RELATIVE_ZERO = 1e-20
"""Share of the raw second moment below which a variance is rounding noise of a constant."""


def midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rank of each row within each resample, ties sharing their mean rank, float64 [row, resample].

    Args:
        values: [row]. weights: counts [row, resample]; rows of count 0 get the rank they would have, which no sum uses.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    total = np.zeros((len(values) + 1, weights.shape[1]))
    np.cumsum(weights[order], axis=0, out=total[1:])
    below, through = total[np.searchsorted(ascending, values, "left")], total[np.searchsorted(ascending, values, "right")]
    return (below + through + 1) / 2


def pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the linear correlation per resample, [resample], from -1 to 1; NaN where x or y is constant in it.

    Args:
        x, y: [row], or [row, resample] where the values themselves differ by resample (ranks). weights: [row, resample].
    """
    x, y = (_squarable(np.asarray(v, dtype=float).reshape(len(weights), -1)) for v in (x, y))
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        dx, dy = (v - (weights * v).sum(axis=0) / total for v in (x, y))
        sxx, syy, sxy = (np.einsum("ib,ib,ib->b", weights, *np.broadcast_arrays(a, b)) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
        raw_x, raw_y = (np.einsum("ib,ib->b", weights, np.broadcast_to(v * v, weights.shape)) for v in (x, y))
        constant = (sxx <= RELATIVE_ZERO * raw_x) | (syy <= RELATIVE_ZERO * raw_y)
        return np.where(constant, np.nan, np.clip(sxy / np.sqrt(sxx * syy), -1, 1))


def _squarable(values: np.ndarray) -> np.ndarray:
    """Return the values, scaled where their squares would overflow or vanish; a correlation does not depend on the scale."""
    largest = np.abs(values).max(initial=0.0)
    return values / largest if largest > 1e100 or 0 < largest < 1e-100 else values


def spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's rho per resample, [resample], with ties at mean ranks; NaN where x or y is constant in it."""
    return pearson(midranks(x, weights), midranks(y, weights), weights)


def kendall(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b per resample, [resample]; NaN where x or y is constant in it."""
    sx, sy = (np.sign(v[:, None] - v[None, :]) for v in (np.asarray(x, dtype=float), np.asarray(y, dtype=float)))

    def pairs(matrix: np.ndarray) -> np.ndarray:
        return np.einsum("ib,ib->b", weights, matrix @ weights)

    untied = pairs(np.abs(sx)) * pairs(np.abs(sy))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(untied > 0, pairs(sx * sy) / np.sqrt(untied), np.nan)


def partial_spearman(x: np.ndarray, y: np.ndarray, controls: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation of the ranks of x and y after the ranks of the controls are regressed out, [resample].

    NaN where a variable is constant, or x or y is a function of the controls (in ranks).

    Args:
        x, y: [row]. controls: [row, control], at least one. weights: counts [row, resample].
    """
    ranks = [midranks(v, weights) for v in (x, y, *controls.T)]
    size = len(ranks)
    matrix = np.tile(np.eye(size), (weights.shape[1], 1, 1))
    for i in range(size):
        for j in range(i):
            matrix[:, i, j] = matrix[:, j, i] = pearson(ranks[i], ranks[j], weights)
    result = np.full(weights.shape[1], np.nan)
    usable = np.flatnonzero(np.isfinite(matrix).all(axis=(1, 2)))
    # A determinant of a correlation matrix this small is rounding noise: a variable is explained by the others entirely.
    usable = usable[np.linalg.det(matrix[usable]) > 1e-12]
    inverse = np.linalg.inv(matrix[usable])
    result[usable] = np.clip(-inverse[:, 0, 1] / np.sqrt(inverse[:, 0, 0] * inverse[:, 1, 1]), -1, 1)
    return result
