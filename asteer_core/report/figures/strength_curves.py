"""Along the dial: success, coherence, diversity, their harmonic mean and the AUROC against strength, a line per method and layer."""

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, of_detector, row_header, short, values
from asteer_core.report.theme import METRICS, MUTED, colours, shapes

PANELS = ("success", "coherence", "diversity", "hm", "auroc")


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.steered.filter(pl.col("strength").is_not_null())
    table = rows.with_columns(configuration=short()).select(
        "detector", "concept", "model", "method", "layer", "strength", *PANELS, "displacement", "kl"
    )
    return Figure(
        "strength",
        "What turning up the strength does",
        "Left to right in each panel, the push grows. Success rises; the question is what coherence, diversity and the detector do. The "
        "dashed line is the mean of the prompted corpora.",
        _chart(facts, rows) if rows.height else None,
        table.sort("detector", "concept", "model", "method", "layer", "strength"),
        "Strength is a share of the residual stream's median norm; for angular it is the share of the way to the concept's direction, so "
        "compare shapes, not positions, with the other methods.",
        "no steered configuration has a strength",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    index = ["detector", "concept", "model", "method", "layer", "strength"]
    drawn = rows.unpivot(list(PANELS), index=index, variable_name="metric").drop_nulls("value")
    prompted = facts.frames["board"].filter(pl.col("arm") == "prompted").group_by("detector", "concept").agg(pl.col(PANELS).mean())
    level = prompted.unpivot(list(PANELS), index=["detector", "concept"], variable_name="metric", value_name="prompted")
    drawn = drawn.join(level, on=["detector", "concept", "metric"], how="left").with_columns(panel=pl.col("metric").replace(METRICS))
    methods, models = sorted(set(drawn["method"])), sorted(set(drawn["model"]))
    x = alt.X("strength:Q", title="strength", axis=alt.Axis(tickCount=4))
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3))
    tip = ["model:N", "method:N", "layer:O", "strength:Q", "panel:N", alt.Tooltip("value:Q", format=".3f"),
           alt.Tooltip("prompted:Q", format=".3f")]  # fmt: skip
    base = alt.Chart().encode(x=x, y=y, color=colours(methods, "method"), detail=["model:N", "layer:N"])
    line = base.mark_line(strokeWidth=1.8, opacity=0.85)
    point = base.mark_point(filled=True, size=26, opacity=1).encode(shape=shapes("model:N", models, "model"), tooltip=tip)
    rival = alt.Chart().mark_rule(color=MUTED, strokeDash=[4, 3]).encode(y="mean(prompted):Q")
    layers = alt.layer(rival, line, point).properties(width=150, height=110)
    names = [METRICS[name] for name in PANELS]
    return faceted(
        layers, values(drawn), [of_detector()], [chosen_detector(facts)],
        column=alt.Column("panel:N", title=None, sort=names), row=alt.Row("concept:N", title=None, header=row_header()),
    ).properties(spacing={"row": 16, "column": 14})  # fmt: skip
