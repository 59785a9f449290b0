"""Asset checks: what must hold of stored results before anybody builds on them.

What does not belong here: validation of inputs (the core refuses bad files before anything runs) and the formulas that are checked.

A check reads what is stored of the whole study, also partitions of earlier runs. Severity ERROR: a number is wrong. WARN: a result is
right but weak, and the reader should know. Only a leak between splits blocks what follows: everything after it would be worthless.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import dagster as dg
import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.study import Workspace
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.resources import WorkspaceResource

SEPARATION_FLOOR = 0.7
"""AUROC of projections on held-out pairs below which a direction hardly tells violation from compliance."""
NULL_RATE_GATE = 0.05
"""Share of undefined measurements above which a corpus is mostly garbled or a judge has failed."""
UNIT_METRICS = ("success", "coherence", "diversity", "hm")
MEASURED = ("judge_probability", "nll", "relevance_cosine")
SHOWN_PROBLEMS = 20


@dataclass
class Finding:
    """What a check saw: how many things, and what is wrong with which."""

    seen: int
    problems: list[str] = field(default_factory=list)


def split_leaks(ws: Workspace) -> Finding:
    """Return the groups of prompts that stand in more than one split of a concept."""
    finding = Finding(0)
    for name in ws.plan.concepts:
        concept = ws.concept(name)
        frames = (concept.pairs, concept.prompts, concept.judge, concept.real)
        groups = pl.concat([frame.select("group", "split") for frame in frames]).group_by("group").agg(pl.col("split").unique().sort())
        finding.seen += groups.height
        crossing = groups.filter(pl.col("split").list.len() > 1).sort("group")
        finding.problems += [f"{name}: group {group} stands in {', '.join(splits)}" for group, splits in crossing.rows()]
    return finding


def weak_vectors(ws: Workspace) -> Finding:
    """Return the vectors whose separation on held-out pairs is below the floor; random directions need none."""
    stored = ws.store.read_many("steering_vectors", ws.plan.vectors)
    if stored.is_empty():
        return Finding(0)
    fitted = stored.filter(pl.col("method") != "random")
    weak = fitted.filter(pl.col("separation").fill_null(0) < SEPARATION_FLOOR)
    rows = weak.select("concept", "model", "method", "layer", "separation").rows()
    return Finding(fitted.height, [f"{c}, {m}:{method}, block {b}: separation {s}" for c, m, method, b, s in rows])


def unsteered_corpora(ws: Workspace) -> Finding:
    """Return the steered corpora in which no token was steered."""
    stored = ws.store.read_many("corpora", ws.plan.pairs)
    if stored.is_empty():
        return Finding(0)
    untouched = stored.filter((pl.col("steered_tokens") == 0) & (pl.col("n_tokens") > 0))
    return Finding(stored.height, [f"{name}: no token was steered" for name in untouched["configuration_id"]])


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


def flagged_detectors(ws: Workspace, partitions: Iterable[tuple[str, str]]) -> Finding:
    """Return the detectors that an audit flags: they may have learned something other than the violation."""
    stored = ws.store.read_many("detector_metrics", partitions)
    if stored.is_empty():
        return Finding(0)
    flagged = stored.filter(pl.col("flags").fill_null("") != "").select("configuration_id", "detector", "flags").rows()
    return Finding(stored.height, [f"{name}, {detector}: {flags}" for name, detector, flags in flagged])


def warehouse_gaps(ws: Workspace) -> Finding:
    """Return where the warehouse and the stored tables of this study differ in rows."""
    path, everything = warehouse_path(ws.home), [*ws.plan.pairs, *ws.plan.cells]
    found = Finding(0)
    for table in ("corpus_metrics", "detector_metrics"):
        stored = ws.store.read_many(table, everything).height
        counted = query(f"SELECT count(*) FROM {table} WHERE study = $1", path, [ws.study.name]).item()
        found.seen += stored
        if counted != stored:
            found.problems.append(f"{table}: {stored} rows stored, {counted} in the warehouse; materialise `warehouse` again")
    return found


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return every check of the pipeline."""
    warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
    return [
        _check("contrastive_prompts", split_leaks, error, blocking=True),
        _check("steering_vectors", weak_vectors, warn),
        _check("steered_corpora", unsteered_corpora, error),
        _check("measurements", undefined_measurements, warn, over="pairs"),
        _check("baseline_measurements", undefined_measurements, warn, over="cells"),
        _check("corpus_metrics", impossible_metrics, error, over="pairs"),
        _check("baseline_metrics", impossible_metrics, error, over="cells"),
        _check("detectors", flagged_detectors, warn, over="pairs"),
        _check("baseline_detectors", flagged_detectors, warn, over="cells"),
        _check("warehouse", warehouse_gaps, error),
    ]


def _check(
    asset: str, find: Callable[..., Finding], severity: dg.AssetCheckSeverity, over: str | None = None, blocking: bool = False
) -> dg.AssetChecksDefinition:
    """Return the check that no problem is found; its name and description are those of `find`."""
    description = f"There are none of: {(find.__doc__ or '').splitlines()[0].removeprefix('Return ')}"

    @dg.asset_check(asset=asset, name=f"no_{find.__name__}", description=description, blocking=blocking)
    def check(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        ws = workspace.open(context.log)
        try:
            finding = find(ws, getattr(ws.plan, over)) if over else find(ws)
        except AsteerError as error:
            # What cannot be read is a finding of the check, not a crash of the run.
            finding = Finding(1, [str(error)])
        nothing = [] if finding.seen else ["nothing is stored yet"]
        problems = [*nothing, *finding.problems]
        metadata = {"seen": finding.seen, "problems": len(problems), "which": "\n".join(problems[:SHOWN_PROBLEMS])}
        return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=metadata)

    return check
