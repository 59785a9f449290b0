"""How reliable the ranking of a study's configurations by AUROC is, from the stored scores of every seed on every test text.

Not here: the statistics (`asteer_core.analysis`), or the halves (`asteer_core.detectors`).
"""

from typing import Any

import numpy as np
import polars as pl

from asteer_core.analysis import POOLED, Reliability, pooled_ceiling, reliability_ceiling
from asteer_core.analysis.correlation_draws import MIN_CONFIGURATIONS
from asteer_core.concepts.real import domains
from asteer_core.detectors import quarter_auroc
from asteer_core.study.stages.detectors import stored_scores
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import table

TABLE = "auroc_reliability"


def auroc_reliability(ws: Workspace, board: pl.DataFrame) -> pl.DataFrame:
    """Return one row per detector and concept, then pooled, as declared for the table of this name; NULL with a reason where undefined.

    Args:
        board: the leaderboard of the steered arm.
    """
    trained = board.filter(pl.col("auroc").is_not_null() & (pl.col("strength") != 0).fill_null(True))
    rows: list[dict[str, Any]] = []
    for concept in trained["concept"].unique().sort():
        rows += _of_concept(ws, concept, trained.filter(pl.col("concept") == concept))
    for detector in dict.fromkeys(row["detector"] for row in rows):
        rows.append(_pooled([row for row in rows if row["detector"] == detector]) | {"detector": detector})
    order = [concept for concept in dict.fromkeys(row["concept"] for row in rows) if concept != POOLED] + [POOLED]
    rows.sort(key=lambda row: (row["detector"], order.index(row["concept"])))
    return pl.DataFrame([{"study": ws.study.name, **row} for row in rows], schema=table(TABLE).polars_schema)


def _of_concept(ws: Workspace, concept: str, board: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one row per detector kind of a concept; each file of scores is read once and not kept."""
    wanted, quarters = set(board.select("configuration_id", "detector").rows()), {}
    counts: dict[str, dict[str, int]] = {}
    kinds = domains(ws.concept(concept).real)
    inside = [source for source, domain in kinds.items() if domain == "in"] or list(kinds)
    for partition in (pair for pair in ws.plan.pairs if pair[0] == concept):
        scores = ws.store.read_many("detector_scores", [partition])
        if scores.is_empty():
            continue
        # The rows that the headline AUROC is of: see `Trial.mask`.
        tested = scores.filter((pl.col("split") == "test") & pl.col("source").is_in(inside))
        for (name, kind), rows in tested.group_by("configuration_id", "detector", maintain_order=True):
            if (name, kind) not in wanted:
                continue
            values = stored_scores(rows)[str(kind)]
            first = rows.filter(pl.col("detector_seed") == rows["detector_seed"].min())
            counts[str(kind)] = {"seeds": len(values), "groups": first["group"].n_unique()}
            if min(counts[str(kind)].values()) > 1:
                # One generator per concept: every configuration is halved alike.
                rng, where = ws.rng("halves", concept), f"concept {concept}, configuration {name}, test"
                labels, groups = first["label"].to_numpy(), first["group"].to_numpy()
                quarters.setdefault(str(kind), []).append(quarter_auroc(labels, values, groups, rng, where=where))
    sizes = {str(kind): n for kind, n in board.group_by("detector").len().sort("detector").rows()}
    return [_row(concept, kind, n, counts.get(kind), quarters.get(kind, [])) for kind, n in sizes.items()]


def _row(concept: str, kind: str, n: int, counts: dict[str, int] | None, quarters: list[np.ndarray]) -> dict[str, Any]:
    found = _found(n, counts, quarters)
    return {
        "concept": concept, "detector": kind, "n": n, **(counts or {"seeds": None, "groups": None}),
        "reliability": found.reliability, "ceiling": found.ceiling, "reason": found.reason or None,
    }  # fmt: skip


def _found(n: int, counts: dict[str, int] | None, quarters: list[np.ndarray]) -> Reliability:
    if counts is None:
        return Reliability(None, None, "the scores of the detectors are not stored")
    if counts["seeds"] < 2:
        return Reliability(None, None, "one training seed: what seeds change cannot be told; set detectors.seeds to 2 or more")
    if counts["groups"] < 2:
        return Reliability(None, None, "one prompt group in the test set: what other prompts change cannot be told")
    if n < MIN_CONFIGURATIONS:
        return Reliability(None, None, f"fewer than {MIN_CONFIGURATIONS} configurations")
    return reliability_ceiling(np.stack(quarters, axis=-1), counts["seeds"])


def _pooled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row over all concepts of one detector kind; its counts are of the concepts that have weight."""
    weighty = [row for row in rows if row["n"] > MIN_CONFIGURATIONS]
    found = pooled_ceiling(
        [(row["concept"], Reliability(row["reliability"], row["ceiling"], row["reason"] or ""), row["n"]) for row in rows]
    )
    seeds = {row["seeds"] for row in weighty}
    return {
        "concept": POOLED, "n": sum(row["n"] for row in weighty), "seeds": seeds.pop() if len(seeds) == 1 else None,
        "groups": sum(row["groups"] or 0 for row in weighty),
        "reliability": found.reliability, "ceiling": found.ceiling, "reason": found.reason or None,
    }  # fmt: skip
