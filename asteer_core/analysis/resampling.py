"""Bootstrap weights over configurations and over cells, and the ends of intervals.

A cell is one concept and model: configurations within it share prompts, test set and scales, so cells are what is independent.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from asteer_core.errors import DataError

LEVEL = 0.95
"""Coverage of every interval in this package."""

MIN_CELLS = 4
"""Fewest cells whose resampling says something: three cells have ten distinct resamples."""


def within_cells(cells: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    """Return counts [row, n_boot] of rows drawn with replacement inside each cell, cell sizes kept."""
    weights = np.zeros((len(cells), n_boot))
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        drawn = rng.integers(len(rows), size=(n_boot, len(rows))) + np.arange(n_boot)[:, None] * len(rows)
        weights[rows] = np.bincount(drawn.ravel(), minlength=n_boot * len(rows)).reshape(n_boot, -1).T
    return weights


def over_cells(cells: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    """Return counts [row, n_boot] of rows when whole cells are drawn with replacement, one fewer than there are.

    Drawing all but one makes the bootstrap variance of a mean of cells unbiased (Rao and Wu 1988), which matters with eight.

    Raises:
        DataError: there is one cell only.
    """
    names, member = np.unique(cells, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"a bootstrap over concept x model cells needs at least 2 cells; got {len(names)}")
    drawn = rng.integers(len(names), size=(n_boot, len(names) - 1)) + np.arange(n_boot)[:, None] * len(names)
    return np.bincount(drawn.ravel(), minlength=n_boot * len(names)).reshape(n_boot, -1).T[member].astype(float)


def interval(draws: np.ndarray, n_cells: int | None = None) -> tuple[float | None, float | None]:
    """Return the central 95 % of the finite draws, or (None, None) if half or more are undefined.

    With `n_cells`, the percentiles reach as far out as Student's t of n_cells - 1 does beyond the normal.

    Source: Hesterberg 2015, What teachers should know about the bootstrap, https://arxiv.org/abs/1411.5279, section 5.3.
    """
    finite = draws[np.isfinite(draws)]
    if finite.size <= draws.size / 2:
        return None, None
    tail = (1 - LEVEL) / 2
    if n_cells is not None:
        tail = float(ndtr(stdtrit(n_cells - 1, tail)))
    lo, hi = np.quantile(finite, [tail, 1 - tail])
    return float(lo), float(hi)
