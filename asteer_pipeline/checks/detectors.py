"""What must hold of detectors: they learned the violation, and not a mark of how its examples were made."""

from collections.abc import Iterable

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import WARN, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [
        check("detectors", flagged_detectors, WARN, over="pairs"),
        check("baseline_detectors", flagged_detectors, WARN, over="cells"),
    ]


def flagged_detectors(ws: Workspace, partitions: Iterable[tuple[str, str]]) -> Finding:
    """Return the detectors that an audit flags: they may have learned something other than the violation."""
    stored = ws.store.read_many("detector_metrics", partitions)
    if stored.is_empty():
        return Finding(0)
    flagged = stored.filter(pl.col("flags").fill_null("") != "").select("configuration_id", "detector", "flags").rows()
    return Finding(stored.height, [f"{name}, {detector}: {flags}" for name, detector, flags in flagged])
