"""The study at a glance: per concept what real data, steering, prompting and no steering reach."""

from typing import Any

import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.types import key_of

COLUMNS = ("real data", "best steered", "best prompt", "prompting, mean", "random direction, best", "unsteered, mean")
"""What a row shows; the first that are single detectors have intervals, means have none."""
ROWS = 100
"""Concepts of the table."""


def glance(facts: Facts, detector: str) -> list[dict[str, Any]]:
    """Return one row per concept: (AUROC on real text, lower, upper) of each kind of training data, and the best steered configuration.

    The best of many is chosen with the test set in hand, so it is a little too good; means are not.
    """
    board = facts.of("board", detector)
    rows = []
    for concept in facts.concepts[:ROWS]:
        own = board.filter((pl.col("concept") == concept) & pl.col("auroc").is_not_null())
        arms = {arm: own.filter(pl.col("arm") == arm) for arm in ("real", "steered", "prompted", "random", "unsteered")}
        values = (
            _best(arms["real"]), _best(arms["steered"]), _best(arms["prompted"]), _mean(arms["prompted"]), _best(arms["random"]),
            _mean(arms["unsteered"]),
        )  # fmt: skip
        best = _top(arms["steered"])
        name = key_of(best["configuration_id"]) if best else None
        rows.append({"concept": concept, "best": name, "values": dict(zip(COLUMNS, values, strict=True))})
    return rows


def _top(rows: pl.DataFrame) -> dict[str, Any] | None:
    ordered = rows.sort("auroc", "configuration_id", descending=[True, False])
    return ordered.row(0, named=True) if ordered.height else None


def _best(rows: pl.DataFrame) -> tuple[Any, Any, Any]:
    top = _top(rows)
    return (top["auroc"], top["auroc_lo"], top["auroc_hi"]) if top else (None, None, None)


def _mean(rows: pl.DataFrame) -> tuple[Any, Any, Any]:
    return rows["auroc"].mean(), None, None
