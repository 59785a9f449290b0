"""Analysis: the leaderboard, which metric predicts AUROC, who beats prompting, what a choice by metric costs; and the warehouse."""

from collections.abc import Callable, Iterator

import polars as pl

from asteer_core.analysis import METRICS, POOLED, beats_prompting, correlations, regret
from asteer_core.analysis import leaderboard as ranked
from asteer_core.errors import StoreError
from asteer_core.study.alternatives import TABLE
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.stages._reliability import auroc_reliability
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint

VERSION = 3


@recorded
def leaderboard(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`: every configuration of the plan with metrics, AUROC and its difference to prompting, best first."""
    key = leaderboard_key(ws)
    reused = ws.store.content_key("leaderboard") == key
    if not reused:
        ws.store.write("leaderboard", _leaderboard(ws), key)
    frame = ws.store.read("leaderboard")
    headline = frame.filter((pl.col("arm") == "steered") & (pl.col("detector") == ws.study.detectors.headline))
    best = headline.sort("auroc", descending=True, nulls_last=True).row(0, named=True)
    metadata = {"configurations": headline.height, "best": best["configuration_id"], "best_auroc": best["auroc"]}
    yield Done("", None, frame.height, reused, metadata)


@recorded
def metric_auroc_correlation(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`: correlation of each metric with AUROC; `beats_prompting`, `regret` and `auroc_reliability` stand beside it."""
    board = ws.store.read("leaderboard").filter(pl.col("arm") == "steered")
    rng, key = ws.rng("analysis"), correlation_key(ws)
    tables: dict[str, Callable[[], pl.DataFrame]] = {
        "beats_prompting": lambda: beats_prompting(board, rng),
        "regret": lambda: regret(board),
        "auroc_reliability": lambda: auroc_reliability(ws, board),
        "metric_auroc_correlation": lambda: correlations(board, rng, metrics=_correlated(ws, board)),
    }
    reused = all(ws.store.content_key(name) == key for name in tables)
    if not reused:
        # All or none: they draw from one generator in turn.
        for name, make in tables.items():
            ws.store.write(name, make(), key)
    found = ws.store.read("metric_auroc_correlation")
    pooled = found.filter((pl.col("concept") == POOLED) & (pl.col("detector") == ws.study.detectors.headline))
    metadata = {f"spearman_{row['metric']}": row["spearman"] for row in pooled.rows(named=True)}
    yield Done("", None, found.height, reused, metadata)


def _correlated(ws: Workspace, board: pl.DataFrame) -> list[str]:
    return [name for name in (*METRICS, *ws.study.metrics.alternatives) if name in board.columns]


def leaderboard_key(ws: Workspace) -> str:
    """Return the hash of everything the leaderboard is computed from."""
    present = [*ws.plan.pairs, *ws.plan.cells]
    keys = [ws.store.content_key(table, *partition) for table in ("corpus_metrics", "detector_metrics") for partition in present]
    return fingerprint(["leaderboard", VERSION, present, keys])


def correlation_key(ws: Workspace) -> str:
    """Return the hash of everything the correlations are computed from."""
    return fingerprint(["correlations", VERSION, ws.study.seed, ws.store.content_key("leaderboard")])


def _leaderboard(ws: Workspace) -> pl.DataFrame:
    partitions = [*ws.plan.pairs, *ws.plan.cells]
    metrics, quality, corpora = (ws.store.read_many(table, partitions) for table in ("corpus_metrics", "detector_metrics", "corpora"))
    if metrics.is_empty() or quality.is_empty():
        raise StoreError("leaderboard: no configuration has metrics and a detector yet; materialise corpus_metrics and detectors first")
    made = corpora.select("configuration_id", "displacement", "kl")
    vectors = ws.store.read_many("steering_vectors", ws.plan.vectors)
    owner = ["concept", "model", "method", "layer"]
    evidence = vectors.select(*owner, vector_separation="separation", weak_vector="weak")
    joined = metrics.join(made, on="configuration_id", how="left").join(evidence, on=owner, how="left")
    others = ws.store.read_many(TABLE, partitions) if ws.study.metrics.alternatives else pl.DataFrame()
    if others.height:
        joined = joined.join(others.pivot("metric", index="configuration_id", values="value"), on="configuration_id", how="left")
    return ranked(joined, quality)
