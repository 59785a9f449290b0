"""Vector diagnostics: how well each direction separates violation from compliance on pairs it was not made from."""

import altair as alt
import polars as pl

from asteer_core.report.bounds import PANELS, VECTORS, best_and_spread, said, spread
from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, faceted, line_at, values
from asteer_core.report.theme import INK, colours, shapes

FLOOR = 0.7
"""Separation below which a direction hardly tells violation from compliance; the pipeline's check has the same."""


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows, total = _bounded(facts), facts.frames["vectors"].height
    how = "of each concept the best by separation, and others evenly spaced down to the worst"
    cut = said(rows.height, total, "vectors", how, f"FROM steering_vectors WHERE study = '{facts.study}'")
    hidden = {"study", "path", "seed"}
    return Figure(
        "vectors",
        "Are the steering vectors any good?",
        "Separation is the AUROC of projecting held-out pairs on the vector: 1 tells every violating response from its compliant twin, "
        f".5 is a coin. Below {FLOOR} (dashed) a vector hardly knows the concept; random directions are the control.",
        _chart(facts, rows) if rows.height and rows["separation"].null_count() < rows.height else None,
        rows.select(column for column in rows.columns if column not in hidden),
        f"Cosine to the mean difference tells methods that found the same direction from those that found another.{cut}",
        "no vector has a separation",
    )


def _bounded(facts: Facts) -> pl.DataFrame:
    """Return no more than `VECTORS` vectors, in their order."""
    rows = facts.frames["vectors"]
    if rows.height <= VECTORS and rows["concept"].n_unique() <= PANELS:
        return rows
    rows = rows.with_row_index("place")
    ordered = rows.sort("separation", "place", descending=[True, False], nulls_last=True)
    concepts = spread(sorted(set(rows["concept"])), PANELS)
    parts = [ordered.filter(pl.col("concept") == concept)["place"].to_list() for concept in concepts]
    kept = [place for part in parts for place in best_and_spread(part, VECTORS // len(concepts))]
    return rows.filter(pl.col("place").is_in(kept)).drop("place")


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    methods, models = sorted(set(rows["method"])), sorted(set(rows["model"]))
    x = alt.X("separation:Q", title="separation on held-out pairs", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=4))
    y = alt.Y("method:N", title=None, axis=alt.Axis(grid=True))
    tip = ["concept:N", "model:N", "method:N", "layer:O", alt.Tooltip("separation:Q", format=".3f"),
           alt.Tooltip("cosine_to_mean_difference:Q", format=".3f", title="cosine"), "n_pairs:Q"]  # fmt: skip
    point = alt.Chart().mark_point(size=80, strokeWidth=2, opacity=0.9)
    point = point.encode(x=x, y=y, color=colours(methods).legend(None), shape=shapes("model:N", models, "model"), tooltip=tip)
    floor = line_at("x", FLOOR, INK)
    layers = alt.layer(floor, point).properties(width=185, height={"step": 24})
    columns = ("concept", "model", "method", "layer", "separation", "cosine_to_mean_difference", "n_pairs")
    return faceted(layers, values(rows, *columns), [], facet=alt.Facet("concept:N", title=None), columns=4)
