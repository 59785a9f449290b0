"""Which metric predicts AUROC: correlations over configurations, per concept and pooled, with intervals.

The unit is the configuration (AUROC averaged over seeds), never the text. Not here: the arithmetic (`rank_correlation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis.permutation import permutation_p
from asteer_core.analysis.pooling import fisher_pool
from asteer_core.analysis.rank_correlation import kendall, partial_spearman, pearson, spearman
from asteer_core.analysis.resampling import MIN_CELLS, interval, over_cells, within_cells
from asteer_core.analysis.schema import IDENTITY, METRICS, POOLED, cells_of, checked, numbers, steered, studies
from asteer_core.errors import ConfigError

MIN_CONFIGURATIONS = 3
DIFFERENCES = (("hm", "hm_sc"),)
"""Pairs of metrics whose correlations are subtracted on shared resamples: does diversity add to success and coherence?"""

AXES = ("success", "coherence")
"""What the partial correlation holds fixed, less the metric itself."""

OUTPUT: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "concept", "detector", "metric"), pl.String()),
    **dict.fromkeys(("n", "n_missing", "n_cells"), pl.Int64()),
    **dict.fromkeys(
        ("spearman", "spearman_lo", "spearman_hi", "cluster_lo", "cluster_hi", "p_permutation",
         "kendall", "kendall_lo", "kendall_hi", "pearson", "pearson_lo", "pearson_hi", "partial", "partial_lo", "partial_hi"),
        pl.Float64(),
    ),
    **dict.fromkeys(("partial_given", "reason", "cluster_reason"), pl.String()),
}  # fmt: skip


@dataclass(frozen=True)
class _Unit:
    """The rows of one concept with the resamples that all its metrics share."""

    frame: pl.DataFrame
    auroc: np.ndarray
    cells: np.ndarray
    once: np.ndarray
    boot: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class _Drawn:
    """One coefficient of one concept: its value [1] under each kind of weights, and the sizes that pool it."""

    once: np.ndarray
    boot: np.ndarray
    clusters: np.ndarray
    sizes: tuple[np.ndarray, np.ndarray, np.ndarray]


def correlations(
    frame: pl.DataFrame, rng: np.random.Generator | None = None, n_boot: int = 1000, metrics: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return the correlation of each metric with AUROC over the steered configurations, one row per metric and concept, then pooled.

    `spearman` (with `_lo`, `_hi`: bootstrap over configurations within concept x model cells), `cluster_lo` and `cluster_hi` (the
    same rho, whole cells resampled: NULL below four cells), `kendall`, `pearson`, `partial` (Spearman given the ranks of success
    and coherence, less the metric itself: `partial_given`), `p_permutation` (AUROC shuffled within cells). Pooled rows are
    means of Fisher's z with weights n - 3. The row `hm - hm_sc` is a difference of correlations on shared resamples. `n_missing`
    rows had no metric or AUROC. Undefined is NULL, and `reason` says why.

    Args:
        frame: see `schema.FRAME`; needs the identity, auroc and the metrics.
        rng: defaults to a fixed seed, so that equal frames give equal tables.
        metrics: defaults to those of `schema.METRICS` that the frame has.

    Raises:
        DataError: see `schema.checked`.
        ConfigError: the frame has none of the metrics.
    """
    chosen = tuple(metrics) if metrics is not None else tuple(name for name in METRICS if name in frame.columns)
    if not chosen:
        raise ConfigError(f"correlations: the frame has none of the metrics {', '.join(METRICS)}; it has {', '.join(frame.columns)}")
    ready = steered(checked(frame, (*IDENTITY, "auroc", *chosen), "correlations"))
    rows: list[dict[str, Any]] = []
    for identity, part in studies(ready):
        rows += [identity | row for row in _study(part, chosen, rng or np.random.default_rng(0), n_boot)]
    return pl.DataFrame(rows, schema=OUTPUT)


def _study(frame: pl.DataFrame, metrics: Sequence[str], rng: np.random.Generator, n_boot: int) -> list[dict[str, Any]]:
    cells = cells_of(frame)
    many = len(np.unique(cells)) >= MIN_CELLS
    boot = within_cells(cells, rng, n_boot)
    # One set of resamples for all metrics and concepts: only so are their differences paired.
    clusters = over_cells(cells, rng, n_boot) if many else np.zeros((frame.height, 0))
    units = {}
    for concept in frame["concept"].unique().sort():
        rows = (frame["concept"] == concept).to_numpy()
        own = frame.filter(rows)
        units[concept] = _Unit(own, numbers(own, "auroc"), cells[rows], np.ones((own.height, 1)), boot[rows], clusters[rows])
    result = []
    for metric in metrics:
        result += _metric_rows(units, metric, rng)
    for a, b in DIFFERENCES:
        if a in metrics and b in metrics:
            result += _difference_rows(units, a, b)
    order = {name: i for i, name in enumerate([*units, POOLED])}
    return sorted(result, key=lambda row: order[row["concept"]])


def _metric_rows(units: dict[str, _Unit], metric: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    given = tuple(name for name in AXES if name != metric and all(name in unit.frame.columns for unit in units.values()))
    coefficients: dict[str, Callable[..., np.ndarray]] = {"spearman": spearman, "kendall": kendall, "pearson": pearson}
    drawn: dict[str, dict[str, _Drawn]] = {name: {} for name in (*coefficients, "partial")}
    rows = []
    for concept, unit in units.items():
        row = _counts(unit, (metric,)) | {"concept": concept, "metric": metric, "partial_given": "+".join(given) or None}
        row["reason"] = _why_undefined(unit, metric)
        for name, coefficient in coefficients.items():
            drawn[name][concept] = _draw(unit, (metric,), coefficient, clusters=name == "spearman")
        if given:
            drawn["partial"][concept] = _draw(unit, (metric, *given), _partial, clusters=False)
        if row["reason"] is None:
            valid = _valid(unit, (metric,))
            x = numbers(unit.frame, metric)[valid]
            row["p_permutation"] = permutation_p(x, unit.auroc[valid], unit.cells[valid], rng)
        rows.append(row)
    rows.append(_pooled_counts(rows) | {"metric": metric, "partial_given": "+".join(given) or None})
    for name, found in drawn.items():
        if found:
            _fill(rows, units, name, {**found, POOLED: _pool(list(found.values()))})
    _explain(rows)
    return rows


def _partial(x: np.ndarray, y: np.ndarray, weights: np.ndarray, controls: np.ndarray) -> np.ndarray:
    return partial_spearman(x, y, controls, weights)


def _difference_rows(units: dict[str, _Unit], a: str, b: str) -> list[dict[str, Any]]:
    rows, first, second = [], {}, {}
    for concept, unit in units.items():
        rows.append(_counts(unit, (a, b)) | {"concept": concept, "metric": f"{a} - {b}"})
        rows[-1]["reason"] = _why_undefined(unit, a) or _why_undefined(unit, b)
        valid = _valid(unit, (a, b))
        first[concept], second[concept] = (_draw(unit, (name,), spearman, valid=valid) for name in (a, b))
    rows.append(_pooled_counts(rows) | {"metric": f"{a} - {b}"})
    first[POOLED], second[POOLED] = _pool(list(first.values())), _pool(list(second.values()))
    found = {
        concept: _Drawn(
            first[concept].once - second[concept].once, first[concept].boot - second[concept].boot,
            first[concept].clusters - second[concept].clusters, first[concept].sizes,
        )
        for concept in first
    }  # fmt: skip
    _fill(rows, units, "spearman", found)
    _explain(rows)
    return rows


def _valid(unit: _Unit, names: Sequence[str]) -> np.ndarray:
    return np.isfinite(np.stack([unit.auroc, *(numbers(unit.frame, name) for name in names)])).all(axis=0)


def _draw(
    unit: _Unit, names: Sequence[str], coefficient: Callable[..., np.ndarray], clusters: bool = True, valid: np.ndarray | None = None
) -> _Drawn:
    """Return the coefficient of the first name with AUROC, the other names held fixed."""
    valid = _valid(unit, names) if valid is None else valid
    x, controls = numbers(unit.frame, names[0])[valid], [numbers(unit.frame, name)[valid] for name in names[1:]]
    if controls:
        coefficient = partial(coefficient, controls=np.stack(controls, axis=1))
    values, sizes = [], []
    for weights in (unit.once, unit.boot, unit.clusters if clusters else unit.clusters[:, :0]):
        counts = weights[valid]
        few = valid.sum() < MIN_CONFIGURATIONS
        values.append(np.full(counts.shape[1], np.nan) if few else coefficient(x, unit.auroc[valid], weights=counts))
        # Holding k ranks fixed costs k degrees of freedom.
        sizes.append(counts.sum(axis=0) - len(controls))
    return _Drawn(values[0], values[1], values[2], (sizes[0], sizes[1], sizes[2]))


def _pool(found: list[_Drawn]) -> _Drawn:
    kinds = [np.stack([getattr(one, kind) for one in found]) for kind in ("once", "boot", "clusters")]
    sizes = [np.stack([one.sizes[i] for one in found]) for i in range(3)]
    pooled = [fisher_pool(values, n) for values, n in zip(kinds, sizes, strict=True)]
    return _Drawn(pooled[0], pooled[1], pooled[2], (sizes[0].sum(axis=0), sizes[1].sum(axis=0), sizes[2].sum(axis=0)))


def _fill(rows: list[dict[str, Any]], units: dict[str, _Unit], name: str, found: dict[str, _Drawn]) -> None:
    for row in rows:
        one = found[row["concept"]]
        row[name] = float(one.once[0]) if np.isfinite(one.once[0]) else None
        if row[name] is None:
            continue
        row[f"{name}_lo"], row[f"{name}_hi"] = interval(one.boot)
        if name == "spearman" and row["n_cells"] >= MIN_CELLS and one.clusters.size:
            row["cluster_lo"], row["cluster_hi"] = interval(one.clusters, row["n_cells"])


def _counts(unit: _Unit, names: Sequence[str]) -> dict[str, Any]:
    valid = _valid(unit, names)
    return {"n": int(valid.sum()), "n_missing": int((~valid).sum()), "n_cells": len(np.unique(unit.cells[valid]))}


def _pooled_counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    usable = [row for row in rows if row["reason"] is None and row["n"] > MIN_CONFIGURATIONS]
    totals: dict[str, Any] = {name: sum(row[name] for row in usable) for name in ("n", "n_cells")}
    totals["n_missing"] = sum(row["n_missing"] for row in rows)
    return totals | {"concept": POOLED, "reason": None if usable else "no concept has a defined correlation of more than 3 configurations"}


def _why_undefined(unit: _Unit, metric: str) -> str | None:
    valid = _valid(unit, (metric,))
    if valid.sum() < MIN_CONFIGURATIONS:
        return f"fewer than {MIN_CONFIGURATIONS} configurations"
    if np.ptp(numbers(unit.frame, metric)[valid]) == 0:
        return "the metric is constant"
    return "AUROC is constant" if np.ptp(unit.auroc[valid]) == 0 else None


def _explain(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["spearman"] is None and row["reason"] is None:
            row["reason"] = "perfect correlations of opposite sign"
        if row.get("cluster_lo") is None:
            row["cluster_reason"] = (
                f"{row['n_cells']} cells; resampling cells needs {MIN_CELLS}" if row["n_cells"] < MIN_CELLS else "undefined"
            )
