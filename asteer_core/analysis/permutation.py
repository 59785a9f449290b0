"""Permutation test of a rank correlation within cells: is there more than differences between cells?"""

from __future__ import annotations

import numpy as np

from asteer_core.analysis.rank_correlation import midranks, pearson


def permute_within(cells: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n row orders [n, row] that shuffle rows inside each cell only."""
    orders = np.tile(np.arange(len(cells)), (n, 1))
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        orders[:, rows] = rows[np.argsort(rng.random((n, len(rows))), axis=1)]
    return orders


def permutation_p(x: np.ndarray, y: np.ndarray, cells: np.ndarray, rng: np.random.Generator, n: int = 2000) -> float | None:
    """Return the two-sided p-value of Spearman's rho of x and y under shuffling of y within cells; None if either is constant.

    Deviations are taken from the mean of the permuted rhos, which is not 0 where cells differ in x and y. The observed
    order counts as one of the permutations, so p is at least 1 / (n + 1).

    Source: Phipson and Smyth 2010, Permutation p-values should never be zero, https://doi.org/10.2202/1544-6115.1585.
    """
    ones = np.ones((len(x), 1))
    rx, ry = midranks(x, ones), midranks(y, ones)
    observed = float(pearson(rx, ry, ones)[0])
    if not np.isfinite(observed):
        return None
    orders = permute_within(cells, rng, n)
    # Ranks do not change under permutation, so neither do their means and variances.
    centred = (rx[:, 0] - rx.mean()) / np.sqrt(((rx - rx.mean()) ** 2).sum() * ((ry - ry.mean()) ** 2).sum())
    drawn = (ry[:, 0] - ry.mean())[orders] @ centred
    middle = drawn.mean()
    # A tie in exact arithmetic must not be lost to rounding.
    extreme = np.abs(drawn - middle) >= abs(observed - middle) - 1e-12
    return float((extreme.sum() + 1) / (n + 1))
