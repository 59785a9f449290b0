"""What must hold of metrics: finite numbers, shares between 0 and 1, or NULL."""

import math
from collections.abc import Iterable

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import ERROR, Finding, check

UNIT_METRICS = ("success", "coherence", "diversity", "hm")


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [
        check("corpus_metrics", impossible_metrics, ERROR, over="pairs"),
        check("baseline_metrics", impossible_metrics, ERROR, over="cells"),
    ]


def impossible_metrics(ws: Workspace, partitions: Iterable[tuple[str, str]]) -> Finding:
    """Return the corpus metrics that are not finite, or outside 0 to 1 where they are shares; NULL is a legal value."""
    stored = ws.store.read_many("corpus_metrics", partitions)
    if stored.is_empty():
        return Finding(0)
    found = Finding(stored.height)
    floats = [name for name, kind in stored.schema.items() if kind == pl.Float64]
    for row in stored.rows(named=True):
        for name in floats:
            value = row[name]
            if value is None:
                continue
            if not math.isfinite(value) or (name in UNIT_METRICS and not -1e-9 <= value <= 1 + 1e-9):
                found.problems.append(f"{row['configuration_id']}: {name} = {value}")
    return found
