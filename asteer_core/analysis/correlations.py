"""Which metric predicts AUROC: correlations over configurations, per concept and pooled, with intervals.

The unit is the configuration (AUROC averaged over seeds), never the text. Not here: the arithmetic (`rank_correlation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis.correlation_draws import MIN_CONFIGURATIONS, Drawn, Unit, draw, pool, valid_rows, why_undefined
from asteer_core.analysis.permutation import permuted_rhos, two_sided_p
from asteer_core.analysis.pooling import fisher_pool
from asteer_core.analysis.rank_correlation import kendall, partial_spearman, pearson, spearman
from asteer_core.analysis.resampling import MIN_CELLS, interval, over_cells, within_cells
from asteer_core.analysis.schema import IDENTITY, METRICS, POOLED, cells_of, checked, numbers, steered, studies
from asteer_core.errors import ConfigError

N_PERMUTATIONS = 1000
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
        units[concept] = Unit(own, numbers(own, "auroc"), cells[rows], np.ones((own.height, 1)), boot[rows], clusters[rows])
    result = []
    for metric in metrics:
        result += _metric_rows(units, metric, rng)
    for a, b in DIFFERENCES:
        if a in metrics and b in metrics:
            result += _difference_rows(units, a, b)
    order = {name: i for i, name in enumerate([*units, POOLED])}
    return sorted(result, key=lambda row: order[row["concept"]])


def _metric_rows(units: dict[str, Unit], metric: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    given = tuple(name for name in AXES if name != metric and all(name in unit.frame.columns for unit in units.values()))
    coefficients: dict[str, Callable[..., np.ndarray]] = {"spearman": spearman, "kendall": kendall, "pearson": pearson}
    drawn: dict[str, dict[str, Drawn]] = {name: {} for name in (*coefficients, "partial")}
    rows = []
    for concept, unit in units.items():
        row = _counts(unit, (metric,)) | {"concept": concept, "metric": metric, "partial_given": "+".join(given) or None}
        row["reason"] = why_undefined(unit, metric)
        for name, coefficient in coefficients.items():
            drawn[name][concept] = draw(unit, (metric,), coefficient, clusters=name == "spearman")
        if given:
            drawn["partial"][concept] = draw(unit, (metric, *given), _partial, clusters=False)
        rows.append(row)
    rows.append(_pooled_counts(rows) | {"metric": metric, "partial_given": "+".join(given) or None})
    for name, found in drawn.items():
        if found:
            _fill(rows, name, {**found, POOLED: pool(list(found.values()))})
    _permute(rows, units, metric, rng)
    _explain(rows)
    return rows


def _permute(rows: list[dict[str, Any]], units: dict[str, Unit], metric: str, rng: np.random.Generator) -> None:
    """Put p-values into the rows: one per concept, and for the pooled rho by permuting within all cells at once."""
    observed, drawn, sizes = [], [], []
    for row in rows:
        if row["concept"] in units and row["reason"] is None:
            unit = units[row["concept"]]
            valid = valid_rows(unit, (metric,))
            rho, permuted = permuted_rhos(numbers(unit.frame, metric)[valid], unit.auroc[valid], unit.cells[valid], rng, N_PERMUTATIONS)
            row["p_permutation"] = two_sided_p(rho, permuted)
            observed.append(rho)
            drawn.append(permuted)
            sizes.append(row["n"])
        elif row["concept"] == POOLED and row["reason"] is None:
            pooled = fisher_pool(np.array(observed), np.array(sizes))
            weights = np.array(sizes)[:, None] * np.ones(N_PERMUTATIONS)
            row["p_permutation"] = two_sided_p(float(pooled), fisher_pool(np.stack(drawn), weights))


def _partial(x: np.ndarray, y: np.ndarray, weights: np.ndarray, controls: np.ndarray) -> np.ndarray:
    return partial_spearman(x, y, controls, weights)


def _difference_rows(units: dict[str, Unit], a: str, b: str) -> list[dict[str, Any]]:
    rows, first, second = [], {}, {}
    for concept, unit in units.items():
        rows.append(_counts(unit, (a, b)) | {"concept": concept, "metric": f"{a} - {b}"})
        rows[-1]["reason"] = why_undefined(unit, a) or why_undefined(unit, b)
        valid = valid_rows(unit, (a, b))
        first[concept], second[concept] = (draw(unit, (name,), spearman, valid=valid) for name in (a, b))
    rows.append(_pooled_counts(rows) | {"metric": f"{a} - {b}"})
    first[POOLED], second[POOLED] = pool(list(first.values())), pool(list(second.values()))
    found = {
        concept: Drawn(
            first[concept].once - second[concept].once, first[concept].boot - second[concept].boot,
            first[concept].clusters - second[concept].clusters, first[concept].sizes,
        )
        for concept in first
    }  # fmt: skip
    _fill(rows, "spearman", found)
    _explain(rows)
    return rows


def _fill(rows: list[dict[str, Any]], name: str, found: dict[str, Drawn]) -> None:
    for row in rows:
        one = found[row["concept"]]
        row[name] = float(one.once[0]) if np.isfinite(one.once[0]) else None
        if row[name] is None:
            continue
        row[f"{name}_lo"], row[f"{name}_hi"] = interval(one.boot)
        if name == "spearman" and row["n_cells"] >= MIN_CELLS and one.clusters.size:
            row["cluster_lo"], row["cluster_hi"] = interval(one.clusters, row["n_cells"])


def _counts(unit: Unit, names: Sequence[str]) -> dict[str, Any]:
    valid = valid_rows(unit, names)
    return {"n": int(valid.sum()), "n_missing": int((~valid).sum()), "n_cells": len(np.unique(unit.cells[valid]))}


def _pooled_counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    usable = [row for row in rows if row["reason"] is None and row["n"] > MIN_CONFIGURATIONS]
    totals: dict[str, Any] = {name: sum(row[name] for row in usable) for name in ("n", "n_cells")}
    totals["n_missing"] = sum(row["n_missing"] for row in rows)
    return totals | {"concept": POOLED, "reason": None if usable else "no concept has a defined correlation of more than 3 configurations"}


def _explain(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["spearman"] is None and row["reason"] is None:
            row["reason"] = "perfect correlations of opposite sign"
        if row.get("cluster_lo") is None:
            row["cluster_reason"] = (
                f"{row['n_cells']} cells; resampling cells needs {MIN_CELLS}" if row["n_cells"] < MIN_CELLS else "undefined"
            )
