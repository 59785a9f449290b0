"""The study at a glance: per concept what real data, steering, prompting and no steering reach."""

from typing import Any

import polars as pl

from asteer_core.report.facts import Facts

COLUMNS = ("real data", "best steered", "best prompt", "prompting, mean", "random direction, best", "unsteered, mean")


def glance(facts: Facts, detector: str) -> list[dict[str, Any]]:
    """Return one row per concept: AUROC on real text of each kind of training data, and the key of the best steered configuration.

    The best of many is chosen with the test set in hand, so it is a little too good; means are not.
    """
    board = facts.of("board", detector)
    rows = []
    for concept in facts.concepts:
        own = board.filter(pl.col("concept") == concept)

        def of(arm: str, frame: pl.DataFrame = own) -> pl.Series:
            return frame.filter(pl.col("arm") == arm)["auroc"].drop_nulls()

        best = own.filter((pl.col("arm") == "steered") & pl.col("auroc").is_not_null()).sort(
            "auroc", "configuration_id", descending=[True, False]
        )
        values = (
            of("real").mean(),
            of("steered").max(),
            of("prompted").max(),
            of("prompted").mean(),
            of("random").max(),
            of("unsteered").mean(),
        )
        name = best["configuration_id"][0].removeprefix(f"{concept}:").split("#")[0] if best.height else None
        rows.append({"concept": concept, "best": name, "values": dict(zip(COLUMNS, values, strict=True))})
    return rows
