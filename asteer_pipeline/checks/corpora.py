"""What must hold of corpora: those called steered were steered, and a block and a strength were found for each."""

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import ERROR, WARN, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("steered_corpora", unsteered_corpora, ERROR), check("steered_corpora", unresolved_dials, WARN)]


def unsteered_corpora(ws: Workspace) -> Finding:
    """Return the steered corpora in which no token was steered."""
    stored = ws.store.read_many("corpora", ws.plan.pairs)
    if stored.is_empty():
        return Finding(0)
    untouched = stored.filter((pl.col("steered_tokens") == 0) & (pl.col("n_tokens") > 0))
    return Finding(stored.height, [f"{name}: no token was steered" for name in untouched["configuration_id"]])


def unresolved_dials(ws: Workspace) -> Finding:
    """Return the configurations for which no block or strength fits what the study asks; they have no corpus."""
    stored = ws.store.read_many("corpora", ws.plan.pairs)
    if stored.is_empty():
        return Finding(0)
    return Finding(stored.height, stored.drop_nulls("reason")["reason"].to_list())
