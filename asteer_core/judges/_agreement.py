"""Weighted kappa from counts, with bootstrap intervals over groups. Numpy only; files and judges are in `calibration.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asteer_core.errors import DataError

Weights = Literal["linear", "quadratic"]
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; None, with a reason, where it is not defined. The value may be defined and the interval not."""

    value: float | None
    lo: float | None
    hi: float | None
    reason: str | None = None


def kappa_of_counts(counts: np.ndarray, weights: Weights) -> np.ndarray:
    """Return weighted kappa, from -1 to 1, NaN where undefined, for tables of counts, [..., grade, grade].

    1 minus the ratio of the observed to the chance-expected disagreement; it is undefined where chance alone gives no disagreement
    (both raters always gave one and the same grade) and where there are no counts.

    Source: Cohen 1968, Weighted kappa, Psychological Bulletin 70(4), 213-220.
    """
    counts = np.asarray(counts, dtype=np.float64)
    grade = np.arange(counts.shape[-1])
    distance = np.abs(grade[:, None] - grade[None, :]).astype(np.float64) ** (1 if weights == "linear" else 2)
    total = counts.sum(axis=(-2, -1))
    observed = (distance * counts).sum(axis=(-2, -1))
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    expected = np.einsum("...i,ij,...j->...", rows, distance, columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1.0 - observed * total / expected, np.nan)


def weighted_kappa(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray, levels: int, weights: Weights, rng: np.random.Generator, n_boot: int = 2000
) -> Estimate:
    """Return weighted kappa of two raters' grades, with a percentile interval over resampled groups.

    Args:
        first, second: integer grades from 0 to `levels` - 1, [row].
        groups: rows of one group (such as one prompt) are drawn together, [row].

    Raises:
        DataError: lengths differ or a grade is out of range.
    """
    first, second, groups = np.asarray(first), np.asarray(second), np.asarray(groups)
    if not len(first) == len(second) == len(groups):
        raise DataError(f"kappa: {len(first)} and {len(second)} grades, {len(groups)} groups; expected as many of each")
    if not len(first):
        return Estimate(None, None, None, "no rows with both grades")
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= levels:
        raise DataError(f"kappa: grades outside 0 to {levels - 1}; give the number of levels that the scale has")
    names, member = np.unique(groups, return_inverse=True)
    tables = np.zeros((len(names), levels * levels))
    np.add.at(tables, (member, first.astype(int) * levels + second.astype(int)), 1.0)
    value = float(kappa_of_counts(tables.sum(axis=0).reshape(levels, levels), weights))
    if np.isnan(value):
        return Estimate(None, None, None, "both gave one and the same grade to every row")
    if len(names) < 2:
        return Estimate(value, None, None, "an interval needs at least two groups")
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_boot)
    draws = kappa_of_counts((drawn @ tables).reshape(n_boot, levels, levels), weights)
    finite = draws[np.isfinite(draws)]
    if finite.size <= n_boot / 2:
        return Estimate(value, None, None, "kappa is undefined in most resamples")
    lo, hi = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(lo), float(hi))
