"""How often steering beats prompting, from the weakest reading to the strictest: point wins, intervals above 0, significance."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis.multiplicity import benjamini_hochberg
from asteer_core.analysis.proportions import cluster_share_interval, wilson_interval
from asteer_core.analysis.resampling import MIN_CELLS
from asteer_core.analysis.schema import cells_of, checked, concepts_and_pooled, numbers, steered, studies

FALSE_DISCOVERY_RATE = 0.05
SHARES = ("share_wins", "share_interval", "share_significant")
RIVALS = {"": ("difference", "difference_lo", "p"), "_best": ("difference_best", "difference_best_lo", "p_best")}
"""Suffix of the share columns -> the columns of the comparison: with the mean prompted arm, and with the best prompt."""

NEEDS = ("study", "concept", "model", "method", "strength", "configuration_id", *(name for names in RIVALS.values() for name in names))

_ENDS = ("", "_lo", "_hi", "_wilson_lo", "_wilson_hi")
_NUMBERS = [
    *(f"{share}{suffix}{end}" for suffix in RIVALS for share in SHARES for end in _ENDS),
    *(f"largest_difference{suffix}" for suffix in RIVALS),
]
OUTPUT: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "concept", "detector"), pl.String()),
    **dict.fromkeys(("n", "n_missing", "n_best", "n_cells"), pl.Int64()),
    **dict.fromkeys(_NUMBERS, pl.Float64()),
    "reason": pl.String(),
}


def beats_prompting(frame: pl.DataFrame, rng: np.random.Generator | None = None, n_boot: int = 2000) -> pl.DataFrame:
    """Return the shares of steered configurations that beat prompting, one row per concept, then pooled.

    `share_wins`: difference above 0. `share_interval`: its 95 % interval lies above 0. `share_significant`: above 0 with
    p <= .05 after Benjamini-Hochberg over the configurations of the row. Each against the mean prompted arm, and with
    the suffix `_best` against the best prompt. `_lo` and `_hi` resample whole concept x model cells and are NULL below four
    cells (`reason`); `_wilson_lo` and `_wilson_hi` take configurations as independent, which is too hopeful. `n` counts
    configurations with a difference to the mean, `n_best` to the best, `n_missing` those without the first.

    With many configurations and no true difference the best one nearly always "wins": `largest_difference` is no evidence.

    Raises:
        DataError: see `schema.checked`.
    """
    return _table(frame, ["concept"], OUTPUT, rng, n_boot)


def beats_prompting_by_method(frame: pl.DataFrame, rng: np.random.Generator | None = None, n_boot: int = 2000) -> pl.DataFrame:
    """Return the shares of `beats_prompting` for each method within each concept, and over all concepts ("pooled")."""
    return _table(frame, ["method", "concept"], {**OUTPUT, "method": pl.String()}, rng, n_boot)


def _table(
    frame: pl.DataFrame, by: list[str], schema: dict[str, pl.DataType], rng: np.random.Generator | None, n_boot: int
) -> pl.DataFrame:
    rng = rng or np.random.default_rng(0)
    ready = steered(checked(frame, NEEDS, "beats_prompting"))
    rows: list[dict[str, Any]] = []
    for identity, part in studies(ready):
        methods = part["method"].unique().sort() if "method" in by else [None]
        for method in methods:
            chosen = part if method is None else part.filter(pl.col("method") == method)
            for concept, own in concepts_and_pooled(chosen):
                rows.append(identity | {"concept": concept} | ({} if method is None else {"method": method}) | _shares(own, rng, n_boot))
    return pl.DataFrame(rows, schema=schema)


def _shares(frame: pl.DataFrame, rng: np.random.Generator, n_boot: int) -> dict[str, Any]:
    cells = cells_of(frame)
    row: dict[str, Any] = {"n_cells": len(np.unique(cells)), "reason": None}
    for suffix, (difference, lo, p) in RIVALS.items():
        values, low, chance = (numbers(frame, name) for name in (difference, lo, p))
        there = np.isfinite(values)
        row["n" + suffix] = int(there.sum())
        if not there.any():
            row["reason"] = "no configuration has a difference to prompting"
            continue
        adjusted = benjamini_hochberg(chance[there])
        hits = (values[there] > 0, low[there] > 0, (adjusted <= FALSE_DISCOVERY_RATE) & (values[there] > 0))
        row[f"largest_difference{suffix}"] = float(values[there].max())
        for share, hit in zip(SHARES, hits, strict=True):
            name = share + suffix
            row[name] = float(hit.mean())
            row[f"{name}_lo"], row[f"{name}_hi"] = cluster_share_interval(hit, cells[there], rng, n_boot)
            row[f"{name}_wilson_lo"], row[f"{name}_wilson_hi"] = wilson_interval(int(hit.sum()), len(hit))
    row["n_missing"] = frame.height - row["n"]
    if row["reason"] is None and row["n_cells"] < MIN_CELLS:
        row["reason"] = f"{row['n_cells']} cells; an interval over cells needs {MIN_CELLS}"
    return row
