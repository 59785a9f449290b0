"""What must hold of measurements: nearly all of them are defined."""

from collections.abc import Iterable

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import WARN, Finding, check

NULL_RATE_GATE = 0.05
"""Share of undefined measurements above which a corpus is mostly garbled or a judge has failed."""
MEASURED = ("judge_probability", "nll", "relevance_cosine")


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [
        check("measurements", undefined_measurements, WARN, over="pairs"),
        check("baseline_measurements", undefined_measurements, WARN, over="cells"),
    ]


def undefined_measurements(ws: Workspace, partitions: Iterable[tuple[str, str]]) -> Finding:
    """Return the corpora with too many undefined measurements."""
    stored = ws.store.read_many("measurements", partitions)
    if stored.is_empty():
        return Finding(0)
    rates = stored.group_by("configuration_id", maintain_order=True).agg(pl.col(name).is_null().mean() for name in MEASURED)
    found = Finding(rates.height)
    for name in MEASURED:
        rows = rates.filter(pl.col(name) > NULL_RATE_GATE).select("configuration_id", name).rows()
        found.problems += [f"{configuration}: {rate:.0%} of {name} undefined" for configuration, rate in rows]
    return found
