"""What must hold of detectors: they learned the violation, and not a mark of how its examples were made. One check per audit."""

from collections.abc import Callable, Iterable

import dagster as dg
import polars as pl

from asteer_core.detectors import AUDITS, Audit
from asteer_core.study import Workspace
from asteer_pipeline.checks._check import ERROR, WARN, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks: every audit over the steered and over the baseline detectors."""
    severities = {"warn": WARN, "error": ERROR}
    return [
        check(asset, flagged_by(audit), severities[audit.severity], over=over)
        for asset, over in (("detectors", "pairs"), ("baseline_detectors", "cells"))
        for audit in AUDITS
    ]


def flagged_by(audit: Audit) -> Callable[[Workspace, Iterable[tuple[str, str]]], Finding]:
    """Return the function that finds the detectors which one audit flags."""

    def find(ws: Workspace, partitions: Iterable[tuple[str, str]]) -> Finding:
        stored = ws.store.read_many("detector_metrics", partitions)
        if stored.is_empty():
            return Finding(0)
        hit = pl.col("flags").fill_null("").str.split(",").list.contains(audit.name)
        measure = pl.col(audit.measure) if audit.measure in stored.columns else pl.lit(None, pl.Float64)
        rows = stored.filter(hit).select("configuration_id", "detector", measure.alias("value")).rows()
        return Finding(stored.height, [f"{name}, {detector}: {audit.measure} {_shown(value)}" for name, detector, value in rows])

    find.__name__ = f"{audit.name}_flags"
    find.__doc__ = f"Return the detectors flagged by the audit `{audit.name}`: {audit.meaning}."
    return find


def _shown(value: float | None) -> str:
    return "not stored" if value is None else f"{value:.2f}"
