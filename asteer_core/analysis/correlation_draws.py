"""Correlation coefficients of one concept under its resamples, and of several concepts pooled.

Not here: which coefficients a table shows (`correlations.py`), or how a coefficient is computed (`rank_correlation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from asteer_core.analysis.pooling import fisher_pool
from asteer_core.analysis.schema import numbers

MIN_CONFIGURATIONS = 3


@dataclass(frozen=True)
class Unit:
    """The rows of one concept with the resamples that all its metrics share.

    `once`: ones [row, 1]. `boot`: configurations drawn within cells, [row, n_boot]. `clusters`: whole cells drawn, [row, n_boot or 0].
    """

    frame: pl.DataFrame
    auroc: np.ndarray
    cells: np.ndarray
    once: np.ndarray
    boot: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """One coefficient of one concept: its value [1] under each kind of weights, and the sizes that pool it."""

    once: np.ndarray
    boot: np.ndarray
    clusters: np.ndarray
    sizes: tuple[np.ndarray, np.ndarray, np.ndarray]


def valid_rows(unit: Unit, names: Sequence[str]) -> np.ndarray:
    """Return which rows have AUROC and all of the named columns, bool [row]."""
    columns = np.stack([unit.auroc, *(numbers(unit.frame, name) for name in names)])
    return np.asarray(np.isfinite(columns).all(axis=0))


def draw(
    unit: Unit, names: Sequence[str], coefficient: Callable[..., np.ndarray], clusters: bool = True, valid: np.ndarray | None = None
) -> Drawn:
    """Return the coefficient of the first name with AUROC, the other names held fixed."""
    valid = valid_rows(unit, names) if valid is None else valid
    x, controls = numbers(unit.frame, names[0])[valid], [numbers(unit.frame, name)[valid] for name in names[1:]]
    if controls:
        coefficient = partial(coefficient, controls=np.stack(controls, axis=1))
    values, sizes = [], []
    for weights in (unit.once, unit.boot, unit.clusters if clusters else unit.clusters[:, :0]):
        counts = weights if valid.all() else weights[valid]
        few = valid.sum() < MIN_CONFIGURATIONS
        values.append(np.full(counts.shape[1], np.nan) if few else coefficient(x, unit.auroc[valid], weights=counts))
        # Holding k ranks fixed costs k degrees of freedom.
        sizes.append(counts.sum(axis=0) - len(controls))
    return Drawn(values[0], values[1], values[2], (sizes[0], sizes[1], sizes[2]))


def pool(found: list[Drawn]) -> Drawn:
    """Return the mean of several concepts' coefficients by Fisher's z, resample by resample."""
    kinds = [np.stack([getattr(one, kind) for one in found]) for kind in ("once", "boot", "clusters")]
    sizes = [np.stack([one.sizes[i] for one in found]) for i in range(3)]
    pooled = [fisher_pool(values, n) for values, n in zip(kinds, sizes, strict=True)]
    return Drawn(pooled[0], pooled[1], pooled[2], (sizes[0].sum(axis=0), sizes[1].sum(axis=0), sizes[2].sum(axis=0)))


def why_undefined(unit: Unit, metric: str) -> str | None:
    """Return why the metric has no correlation with AUROC here, or None if it has one."""
    valid = valid_rows(unit, (metric,))
    if valid.sum() < MIN_CONFIGURATIONS:
        return f"fewer than {MIN_CONFIGURATIONS} configurations"
    if np.ptp(numbers(unit.frame, metric)[valid]) == 0:
        return "the metric is constant"
    return "AUROC is constant" if np.ptp(unit.auroc[valid]) == 0 else None
