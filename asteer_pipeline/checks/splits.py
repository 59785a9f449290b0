"""What must hold of the concepts' own data: no group of prompts in two splits."""

import dagster as dg
import polars as pl

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import ERROR, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("contrastive_prompts", split_leaks, ERROR, blocking=True)]


def split_leaks(ws: Workspace) -> Finding:
    """Return the groups of prompts that stand in more than one split of a concept."""
    finding = Finding(0)
    for name in ws.plan.concepts:
        concept = ws.concept(name)
        frames = (concept.pairs, concept.prompts, concept.judge, concept.real)
        # Violating and compliant replies to one prompt may both train a detector.
        split = pl.col("split").str.replace("^detector_.*", "detector_training")
        rows = pl.concat([frame.select("group", split=split) for frame in frames])
        groups = rows.group_by("group").agg(pl.col("split").unique().sort())
        finding.seen += groups.height
        crossing = groups.filter(pl.col("split").list.len() > 1).sort("group")
        finding.problems += [f"{name}: group {group} stands in {', '.join(splits)}" for group, splits in crossing.rows()]
    return finding
