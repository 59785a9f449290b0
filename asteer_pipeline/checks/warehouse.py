"""What must hold of the warehouse: it shows what is stored."""

import dagster as dg

from asteer_core.study import Workspace
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.checks._check import ERROR, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("warehouse", warehouse_gaps, ERROR)]


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
