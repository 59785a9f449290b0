"""What must hold of steering vectors: they tell violation from compliance on pairs they were not fitted on."""

import dagster as dg

from asteer_core.study import Workspace
from asteer_pipeline.checks._check import WARN, Finding, check


def build() -> list[dg.AssetChecksDefinition]:
    """Return these checks."""
    return [check("steering_vectors", weak_vectors, WARN)]


def weak_vectors(ws: Workspace) -> Finding:
    """Return the vectors that do not separate their held-out pairs as the study asks; random directions need not."""
    stored = ws.store.read_many("steering_vectors", ws.plan.vectors)
    if stored.is_empty():
        return Finding(0)
    fitted = stored.drop_nulls("weak")
    rows = fitted.filter("weak").select("concept", "model", "method", "layer", "separation").rows()
    floor = ws.study.selection.min_separation
    return Finding(fitted.height, [f"{c}, {m}:{method}, block {b}: separation {s}, below {floor:g}" for c, m, method, b, s in rows])
