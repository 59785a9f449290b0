"""What a choice made without the test set costs: AUROC of the best steered configuration minus that of the chosen one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis.schema import IDENTITY, checked, numbers, steered, studies

METRIC_RULES = ("hm", "hm_sc", "success", "coherence", "diversity")
ALL_MODELS = "all"

OUTPUT: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "concept", "detector", "model", "rule", "configuration_id"), pl.String()),
    "n": pl.Int64(),
    "auroc": pl.Float64(),
    "best_configuration_id": pl.String(),
    **dict.fromkeys(("best_auroc", "regret"), pl.Float64()),
    "reason": pl.String(),
}


def regret(frame: pl.DataFrame, default_strengths: Mapping[str, float] | None = None) -> pl.DataFrame:
    """Return best AUROC minus AUROC by rule of choice, per concept and model, and over "all" models; from 0 to 1.

    Rules: `hm`, `hm_sc`, `success`, `coherence`, `diversity` take the configuration where that metric is highest (ties: the first
    name). `strongest` and `default_strength` name one strength per model, method and layer, and count with the mean over those;
    the default is `default_strengths[method]`, else the middle one (the lower of two). `random` is the mean over all.
    The best is the best on the test set and so a little too good: regrets compare rules, they are not losses to expect.
    `n`: the configurations that could be chosen. Undefined (no metric value) is NULL with a `reason`.

    Raises:
        DataError: see `schema.checked`.
    """
    ready = steered(checked(frame, (*IDENTITY, "auroc", "hm", "hm_sc"), "regret")).filter(pl.col("auroc").is_not_null())
    rows: list[dict[str, Any]] = []
    for identity, part in studies(ready):
        for concept in part["concept"].unique().sort():
            own = part.filter(pl.col("concept") == concept)
            for model in (*own["model"].unique().sort(), ALL_MODELS):
                chosen = own if model == ALL_MODELS else own.filter(pl.col("model") == model)
                rows += [identity | {"concept": concept, "model": model} | row for row in _rules(chosen, default_strengths or {})]
    return pl.DataFrame(rows, schema=OUTPUT)


def _rules(frame: pl.DataFrame, defaults: Mapping[str, float]) -> list[dict[str, Any]]:
    frame = frame.sort("configuration_id")
    auroc, names = numbers(frame, "auroc"), frame["configuration_id"]
    best = int(auroc.argmax())
    common = {"n": len(auroc), "best_configuration_id": names[best], "best_auroc": float(auroc[best])}
    rows = []
    for rule in METRIC_RULES:
        if rule in frame.columns:
            values = numbers(frame, rule)
            if np.isfinite(values).any():
                taken = int(np.nanargmax(values))
                rows.append({"rule": rule, "configuration_id": names[taken], "auroc": float(auroc[taken]), "reason": None})
            else:
                rows.append({"rule": rule, "configuration_id": None, "auroc": None, "reason": f"no configuration has {rule}"})
    middle, strongest = _middle(frame, defaults), (pl.col("strength") == pl.col("strength").max()).over("model", "method", "layer")
    sets = {"strongest": frame.select(strongest).to_series(), "default_strength": middle, "random": pl.Series([True] * len(auroc))}
    for rule, mask in sets.items():
        chosen = auroc[mask.fill_null(False).to_numpy()]
        reason = None if chosen.size else "no configuration has a strength that the rule names"
        rows.append({"rule": rule, "configuration_id": None, "auroc": float(chosen.mean()) if chosen.size else None, "reason": reason})
    return [common | row | {"regret": None if row["auroc"] is None else common["best_auroc"] - row["auroc"]} for row in rows]


def _middle(frame: pl.DataFrame, defaults: Mapping[str, float]) -> pl.Series:
    """Return whether each row has the default strength of its method."""
    lower_median = pl.col("strength").sort().get((pl.col("strength").count().cast(pl.Int64) - 1).clip(0) // 2)
    named = pl.col("method").replace_strict(defaults, default=None, return_dtype=pl.Float64) if defaults else pl.lit(None, pl.Float64)
    return frame.select(pl.col("strength") == pl.coalesce(named, lower_median.over("model", "method", "layer"))).to_series()
