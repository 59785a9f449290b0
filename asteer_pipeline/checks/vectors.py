"""What must hold of steering vectors: they tell violation from compliance on pairs they were not fitted on."""

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import WARN, Finding, check

SEPARATION_FLOOR = 0.7
"""AUROC of projections on held-out pairs below which a direction hardly tells violation from compliance."""


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("steering_vectors", weak_vectors, WARN)]


def weak_vectors(ws: Workspace) -> Finding:
    """Return the vectors whose separation on held-out pairs is below the floor; random directions need none."""
    stored = ws.store.read_many("steering_vectors", ws.plan.vectors)
    if stored.is_empty():
        return Finding(0)
    fitted = stored.filter(pl.col("method") != "random")
    weak = fitted.filter(pl.col("separation").fill_null(0) < SEPARATION_FLOOR)
    rows = weak.select("concept", "model", "method", "layer", "separation").rows()
    return Finding(fitted.height, [f"{c}, {m}:{method}, block {b}: separation {s}" for c, m, method, b, s in rows])
