"""What of a large study a page shows, so that a report stays small at any size: panels, curves, cells and configurations.

Belongs here: how many there may be, which of too many are shown, and how that is said. Does not: headline numbers, intervals and
correlations, which are always over everything, or a figure's marks.
"""

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

Item = TypeVar("Item")

PANELS = 24
"""Concepts that get a panel of their own in a figure, and samples in the gallery."""
ROWS_OF_PANELS = 8
"""The same where a concept takes a whole row of panels."""
CONFIGURATIONS = 400
"""Steered configurations in figures and tables, per detector kind up to two kinds."""
CURVES = 16
"""Curves of a concept that can be told apart; of more, the middle and the spread are drawn."""
CELLS = 1000
"""Cells of a heat map."""
VECTORS = 600
"""Steering vectors in a figure."""
TABLE_ROWS = 800
"""Rows of a table, over all detector kinds."""
CHARACTERS = 20_000
"""Characters of the study file in the section on provenance."""


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` items, evenly spaced from the first to the last, in their order."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / max(count - 1, 1))] for place in range(count)]


def best_and_spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` items: the first half of `count` from the front, the others evenly spaced down to the last."""
    if len(items) <= count:
        return list(items)
    best = count - count // 2
    return [*items[:best], *spread(items[best:], count - best)]


def drawn_configurations(steered: pl.DataFrame, detectors: Sequence[str], concepts: Sequence[str]) -> pl.DataFrame:
    """Return the rows of the configurations that are shown: per concept the best by AUROC and others evenly spaced down to the worst.

    The order is that of the first detector kind, so that every kind, figure and table shows the same configurations.
    """
    allowed = CONFIGURATIONS * 2 // max(len(detectors), 2)
    if steered["configuration_id"].n_unique() <= allowed and len(concepts) <= PANELS:
        return steered
    panels = spread(concepts, PANELS)
    first = steered.filter(pl.col("detector") == detectors[0]).sort("auroc", "configuration_id", descending=[True, False], nulls_last=True)
    each = max(allowed // len(panels), 2)
    chosen = [
        name
        for concept in panels
        for name in best_and_spread(first.filter(pl.col("concept") == concept)["configuration_id"].to_list(), each)
    ]
    return steered.filter(pl.col("configuration_id").is_in(chosen))


def said(shown: int, total: int, what: str, how: str, sql: str, where: str = "") -> str:
    """Return the sentence that says what is shown of how many, and the query for all; empty where all are. `where` begins it."""
    if shown >= total:
        return ""
    return f" {where or 'Showing'} {shown:,} of {total:,} {what}, {how}; all in SQL: {sql}."
