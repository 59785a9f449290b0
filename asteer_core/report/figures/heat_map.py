"""Heat map: the harmonic mean over layer and strength, a panel per concept and method."""

import altair as alt
import polars as pl

from asteer_core.report.bounds import CELLS, said, spread
from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, faceted, row_header, values
from asteer_core.report.theme import METRICS

PLACE = ["concept", "method", "block", "strength"]
ALL = "mean of all"
BLOCKS = 40
"""Rows of a map that stands for many."""


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.steered.filter(pl.col("hm").is_not_null() & pl.col("layer").is_not_null() & pl.col("strength").is_not_null())
    cells = _cells(rows, facts.detectors[0])
    drawn, cut = _bounded(cells, len(facts.concepts), f"FROM strength_curves WHERE study = '{facts.study}'")
    table = facts.drawn.join(rows.select("configuration_id").unique(), on="configuration_id", how="semi")
    return Figure(
        "heat-map",
        "Where the harmonic mean is high",
        "Brighter is better by the heuristic: a corpus that is at once violating, coherent and diverse. Rows are layers of each model.",
        _chart(drawn) if drawn.height else None,
        table.select(
            "detector", "concept", "method", "model", "layer", "strength", "hm", "hm_lo", "hm_hi", "auroc", "auroc_lo", "auroc_hi"
        ),
        "An empty cell was not planned or has no harmonic mean. Intervals (95 %, over prompts) show when the pointer rests on a cell, and "
        f"in the table.{cut}{facts.said_of_drawn('In the table')}",
        "no steered configuration has a harmonic mean",
    )


def _cells(rows: pl.DataFrame, detector: str) -> pl.DataFrame:
    """Return one row per cell, with the AUROC of the first detector kind; configurations that share a cell are averaged."""
    block = pl.format("{} L{}", "model", pl.col("layer").cast(pl.String).str.zfill(2))
    first = rows.filter(pl.col("detector") == detector).with_columns(block=block, strength=pl.col("strength").round(2))
    # The mean of two cells does not have the mean of their intervals.
    ends = [pl.when(pl.len() == 1).then(pl.col(name).first()).alias(name) for name in ("hm_lo", "hm_hi")]
    cells = first.group_by([*PLACE, "model", "layer"], maintain_order=True).agg(pl.col("hm", "auroc").mean(), *ends)
    return cells.sort("concept", "method", "model", "layer", "strength")


def _bounded(cells: pl.DataFrame, concepts: int, sql: str) -> tuple[pl.DataFrame, str]:
    """Return no more than `CELLS` cells, and what was done: first the mean over concepts, then fewer strengths, then fewer layers."""
    if cells.height <= CELLS:
        return cells, ""
    total, means = cells.height, pl.col("hm", "auroc").mean()
    none = [pl.lit(None, pl.Float64).alias(name) for name in ("hm_lo", "hm_hi")]
    place = ["method", "model", "layer", "block", "strength"]
    pooled = cells.group_by(place, maintain_order=True).agg(means, *none).with_columns(concept=pl.lit(ALL)).sort(place)
    pooled = pooled.filter(pl.col("strength").is_in(spread(pooled["strength"].unique().sort().to_list(), 20)))
    columns = pooled.select("method", "strength").unique().height
    pooled = pooled.filter(pl.col("block").is_in(spread(_blocks(pooled), min(BLOCKS, max(CELLS // max(columns, 1), 1)))))
    how = f"means over the {concepts} concepts, of strengths and layers evenly many"
    return pooled, said(pooled.height, total, "cells", how, sql)


def _blocks(cells: pl.DataFrame) -> list[str]:
    """Return the rows of the map in the order of models and layers."""
    return cells.select("model", "layer", "block").unique().sort("model", "layer")["block"].to_list()


def _chart(rows: pl.DataFrame) -> alt.FacetChart:
    x = alt.X("strength:O", title="strength", axis=alt.Axis(labelAngle=0, grid=False, domain=False, ticks=False))
    y = alt.Y("block:N", title=None, sort=_blocks(rows), axis=alt.Axis(grid=False, domain=False, ticks=False))
    legend = alt.Legend(format=".1f", gradientLength=160, tickCount=5)
    colour = alt.Color("hm:Q", title="HM", scale=alt.Scale(domain=[0, 0.8], scheme="viridis", clamp=True), legend=legend)
    numbers = {"hm": "HM", "hm_lo": "from", "hm_hi": "to", "auroc": METRICS["auroc"]}
    tip = ["concept:N", "method:N", "block:N", "strength:O",
           *(alt.Tooltip(f"{name}:Q", format=".3f", title=title) for name, title in numbers.items())]  # fmt: skip
    cell = alt.Chart().mark_rect(cornerRadius=2).encode(x=x, y=y, color=colour, tooltip=tip)
    ink = alt.condition("datum.hm > 0.48", alt.value("#14161a"), alt.value("#ffffff"))
    number = alt.Chart().mark_text(fontSize=10).encode(x=x, y=y, text=alt.Text("hm:Q", format=".2f"), color=ink)
    layers = alt.layer(cell, number).properties(width={"step": 36}, height={"step": 24})
    chart = faceted(
        layers, values(rows.drop("model", "layer")), [],
        column=alt.Column("method:N", title=None), row=alt.Row("concept:N", title=None, header=row_header()),
    )  # fmt: skip
    return chart.resolve_scale(x="independent").properties(spacing={"row": 12, "column": 16})
