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


def permuted_rhos(x: np.ndarray, y: np.ndarray, cells: np.ndarray, rng: np.random.Generator, n: int) -> tuple[float, np.ndarray]:
    """Return Spearman's rho of x and y, and n rhos [n] with y shuffled within cells; all NaN if x or y is constant."""
    ones = np.ones((len(x), 1))
    rx, ry = midranks(x, ones), midranks(y, ones)
    observed = float(pearson(rx, ry, ones)[0])
    if not np.isfinite(observed):
        return observed, np.full(n, np.nan)
    # Ranks do not change under permutation, so neither do their means and variances.
    centred = (rx[:, 0] - rx.mean()) / np.sqrt(((rx - rx.mean()) ** 2).sum() * ((ry - ry.mean()) ** 2).sum())
    return observed, (ry[:, 0] - ry.mean())[permute_within(cells, rng, n)] @ centred


def two_sided_p(observed: float, drawn: np.ndarray) -> float | None:
    """Return the share of permuted values at least as far from their mean as the observed one; None if anything is undefined.

    The mean is not 0 where cells differ in x and y. The observed order counts as one of the permutations: p >= 1 / (n + 1).

    Source: Phipson and Smyth 2010, Permutation p-values should never be zero, https://doi.org/10.2202/1544-6115.1585.
    """
    if not (np.isfinite(observed) and np.isfinite(drawn).all()):
        return None
    # A tie in exact arithmetic must not be lost to rounding.
    extreme = np.abs(drawn - drawn.mean()) >= abs(observed - drawn.mean()) - 1e-12
    return float((extreme.sum() + 1) / (len(drawn) + 1))


def permutation_p(x: np.ndarray, y: np.ndarray, cells: np.ndarray, rng: np.random.Generator, n: int = 2000) -> float | None:
    """Return the two-sided p-value of Spearman's rho under shuffling of y within cells; None if x or y is constant."""
    return two_sided_p(*permuted_rhos(x, y, cells, rng, n))
