"""How well a rule chooses a configuration, over all concepts: mean regret with an interval over cells, beside that of HM.

Where a rule has to learn something (which strength is usual, what metrics promise), it learns from the other concepts alone.
Not here: the regret of single concepts (`regret.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis.prediction import cross_validated
from asteer_core.analysis.resampling import MIN_CELLS, interval, over_cells
from asteer_core.analysis.schema import IDENTITY, checked, numbers, steered, studies

BY_METRIC = ("hm", "hm_sc", "hm_sd", "success", "coherence", "diversity", "predicted")
BY_SET = ("usual", "strongest", "random")
RULES = (*BY_METRIC, *BY_SET)

OUTPUT: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "detector", "rule"), pl.String()),
    "cells": pl.Int64(),
    **dict.fromkeys(("regret", "regret_lo", "regret_hi", "less_than_hm", "less_than_hm_lo", "less_than_hm_hi"), pl.Float64()),
    "within_2_points": pl.Int64(),
    "reason": pl.String(),
}


def choice_regret(frame: pl.DataFrame, rng: np.random.Generator, n_boot: int = 2000) -> pl.DataFrame:
    """Return one row per study, detector and rule: AUROC lost against the best configuration of each concept and model, mean over these.

    Rules: the highest `hm`, `hm_sc` (S and C), `hm_sd` (S and D), `success`, `coherence`, `diversity`; `predicted`, the highest AUROC
    that a regression fitted on the other concepts expects; `usual`, the method, layer and strength that were best on average over the
    model's other concepts; `strongest` and `random`, the mean over those they name. `less_than_hm`: regret of `hm` minus that of the
    rule, paired by cell, positive where the rule is better. `within_2_points`: cells with a regret of at most .02.
    Intervals are NULL with fewer than four cells.

    Raises:
        DataError: see `schema.checked`.
    """
    ready = steered(checked(frame, (*IDENTITY, "auroc", "hm", "hm_sc", "success", "coherence", "diversity"), "choice"))
    ready = ready.filter(pl.col("auroc").is_not_null())
    rows: list[dict[str, Any]] = []
    for identity, part in studies(ready):
        cells = list(_cells(_with_rules(part)))
        lost = {rule: np.array([_regret(cell, rule) for cell in cells]) for rule in RULES}
        weights = over_cells(np.arange(len(cells)), rng, n_boot) if len(cells) >= MIN_CELLS else None
        for rule in RULES:
            rows.append(identity | {"rule": rule} | _row(lost[rule], lost["hm"], weights))
    return pl.DataFrame(rows, schema=OUTPUT)


def _row(lost: np.ndarray, by_hm: np.ndarray, weights: np.ndarray | None) -> dict[str, Any]:
    if np.isnan(lost).any():
        return {"cells": int(np.isfinite(lost).sum()), "reason": "the rule names no configuration in some cell"}
    row: dict[str, Any] = {"cells": len(lost), "regret": float(lost.mean()), "within_2_points": int((lost <= 0.02).sum())}
    pairs = {"regret": lost, "less_than_hm": by_hm - lost}
    for name, values in pairs.items():
        row[name] = float(values.mean()) if np.isfinite(values).all() else None
        if weights is not None and row[name] is not None:
            row[f"{name}_lo"], row[f"{name}_hi"] = interval(values @ weights / weights.sum(axis=0), len(lost))
    if weights is None:
        row["reason"] = f"{len(lost)} cells, fewer than the {MIN_CELLS} that an interval needs"
    return row


def _with_rules(part: pl.DataFrame) -> pl.DataFrame:
    both = pl.col("success") + pl.col("diversity")
    pair = pl.when(both > 0).then(2 * pl.col("success") * pl.col("diversity") / both)
    dial = ["model", "method", "layer", "strength"]
    mean = pl.col("auroc").mean().over("concept", "model")
    # Concepts differ in level; what is usual is what was good relative to the rest of its own concept.
    ready = cross_validated(part, by="concept").with_columns(pair.alias("hm_sd"), (pl.col("auroc") - mean).alias("_lead"))
    total, count = pl.col("_lead").sum().over(dial), pl.len().over(dial)
    return ready.with_columns(pl.when(count > 1).then((total - pl.col("_lead")) / (count - 1)).alias("usual"))


def _cells(part: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for _, cell in part.group_by("concept", "model", maintain_order=True):
        yield cell.sort("configuration_id")


def _regret(cell: pl.DataFrame, rule: str) -> float:
    auroc = numbers(cell, "auroc")
    sets: dict[str, Callable[[], np.ndarray]] = {
        "random": lambda: np.ones(len(auroc), dtype=bool),
        # A method without a dial is as strong as it gets.
        "strongest": lambda: (
            cell.select(pl.col("strength").is_null() | (pl.col("strength") == pl.col("strength").max().over("method", "layer")))
            .to_series()
            .fill_null(True)
            .to_numpy()
        ),
    }
    if rule in sets:
        return float(auroc.max() - auroc[sets[rule]()].mean())
    values = numbers(cell, rule)
    return float(auroc.max() - auroc[int(np.nanargmax(values))]) if np.isfinite(values).any() else float("nan")
