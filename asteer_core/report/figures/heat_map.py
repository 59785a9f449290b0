"""Heat map: the harmonic mean over layer and strength, a panel per concept and method."""

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, of_detector, row_header, values


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.steered.filter(pl.col("hm").is_not_null() & pl.col("layer").is_not_null() & pl.col("strength").is_not_null())
    rows = rows.with_columns(block=pl.format("{} L{}", "model", pl.col("layer").cast(pl.String).str.zfill(2)))
    return Figure(
        "heat-map",
        "Where the harmonic mean is high",
        "Brighter is better by the heuristic: a corpus that is at once violating, coherent and diverse. Rows are layers of each model.",
        _chart(facts, rows) if rows.height else None,
        rows.select("detector", "concept", "method", "model", "layer", "strength", "hm", "auroc"),
        "An empty cell was not planned or has no harmonic mean.",
        "no steered configuration has a harmonic mean",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    x = alt.X("strength:O", title="strength", axis=alt.Axis(labelAngle=0, grid=False, domain=False, ticks=False))
    y = alt.Y("block:N", title=None, axis=alt.Axis(grid=False, domain=False, ticks=False))
    legend = alt.Legend(format=".1f", gradientLength=160, tickCount=5)
    colour = alt.Color("hm:Q", title="HM", scale=alt.Scale(domain=[0, 0.8], scheme="viridis", clamp=True), legend=legend)
    tip = ["concept:N", "method:N", "block:N", "strength:O", alt.Tooltip("hm:Q", format=".3f"), alt.Tooltip("auroc:Q", format=".3f")]
    cell = alt.Chart().mark_rect(cornerRadius=2).encode(x=x, y=y, color=colour, tooltip=tip)
    ink = alt.condition("datum.hm > 0.48", alt.value("#14161a"), alt.value("#ffffff"))
    number = alt.Chart().mark_text(fontSize=10).encode(x=x, y=y, text=alt.Text("hm:Q", format=".2f"), color=ink)
    layers = alt.layer(cell, number).properties(width={"step": 36}, height={"step": 24})
    data = values(rows, "detector", "concept", "method", "block", "strength", "hm", "auroc")
    chart = faceted(
        layers, data, [of_detector()], [chosen_detector(facts)],
        column=alt.Column("method:N", title=None), row=alt.Row("concept:N", title=None, header=row_header()),
    )  # fmt: skip
    return chart.resolve_scale(x="independent").properties(spacing={"row": 12, "column": 16})
