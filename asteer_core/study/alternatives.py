"""Metrics that a study asks for by name, beside those of every study: which may be named, what they are given, and their rows.

Not here: a metric (`asteer_core.metrics`), and when they are computed (`stages/metrics.py`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from asteer_core.errors import ConfigError
from asteer_core.metrics import METRICS, Embedding, Scores
from asteer_core.study.instruments import REAL
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.warehouse.schemas import table

TABLE = "alternative_metrics"


def check_alternatives(names: Sequence[str]) -> None:
    """Refuse names that no metric has, and metrics that every corpus is scored with anyway.

    Raises:
        ConfigError: such a name; the nearest known one is suggested.
    """
    scored = {column.name for column in table("corpus_metrics").columns}
    for name in names:
        METRICS.get(name)
        if name in scored:
            raise ConfigError(f"metrics.alternatives: {name!r} stands in corpus_metrics of every study already; leave it out")


def alternatives_key(ws: Workspace, concept: str) -> list[str]:
    """Return what the values of a concept's alternatives depend on beside the measurements: the metrics' files and the real texts."""
    chosen = [METRICS.get(name) for name in ws.study.metrics.alternatives]
    real = [ws.concept(concept).fingerprint] if any(one.needs == "real" for one in chosen) else []
    return [fingerprint([one.fingerprint for one in chosen]), *real] if chosen else []


def real_embeddings(ws: Workspace, concept: str, names: Sequence[str], embedding: Embedding, stage: str) -> np.ndarray | None:
    """Return the vectors of the concept's real violating texts, where one of the named metrics compares with them."""
    if not any(METRICS.get(name).needs == "real" for name in names):
        return None
    real = ws.concept(concept).real.filter(pl.col("split") == REAL)
    return ws.remember(("real embeddings", concept, embedding), lambda: ws.embed(real["response"].to_list(), stage, embedding))


def alternative_rows(identity: pl.DataFrame, scores: Scores, names: Sequence[str], m: int) -> pl.DataFrame:
    """Return one row per named metric of one corpus: `identity` (one row), metric, value or the reason why there is none."""
    schema = table(TABLE).polars_schema
    rows: list[Mapping[str, object]] = [
        identity.row(0, named=True)
        | {"metric": name, "value": scores.corpus[name], "m": m, "embedding": scores.embedding, "reason": scores.reasons.get(name)}
        for name in names
    ]
    return pl.DataFrame(rows, schema=schema)
