"""What must hold of corpora: those called steered were steered."""

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import ERROR, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("steered_corpora", unsteered_corpora, ERROR)]


def unsteered_corpora(ws: Workspace) -> Finding:
    """Return the steered corpora in which no token was steered."""
    stored = ws.store.read_many("corpora", ws.plan.pairs)
    if stored.is_empty():
        return Finding(0)
    untouched = stored.filter((pl.col("steered_tokens") == 0) & (pl.col("n_tokens") > 0))
    return Finding(stored.height, [f"{name}: no token was steered" for name in untouched["configuration_id"]])
