"""Audits: how many training sets of each arm could be told apart by something other than the violation."""

import altair as alt
import polars as pl

from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, of_detector, values
from asteer_core.report.theme import BAD, MUTED

ARMS = ["steered", "prompted", "random", "unsteered", "real"]


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.frames["audits"].filter(pl.col("n") > 0).sort(pl.col("concept") != POOLED, maintain_order=True)
    pooled = rows.filter(pl.col("concept") == POOLED).with_columns(count=pl.format("{} of {}", "flagged", "n"))
    return Figure(
        "audits",
        "Could the detectors have cheated?",
        "An audit asks whether a training set could be told apart by something other than the violation: text length, the generator's "
        "style, copies of test texts, a lopsided class balance. Long bars mean that a good AUROC may be good for the wrong reason.",
        _chart(facts, pooled) if pooled.height else None,
        rows.select("detector", "concept", "arm", "audit", "n", "flagged", "share_flagged", "median_value", "highest_value"),
        "An audit removes nothing: it marks the row, in the column flags of the leaderboard.",
        "no detector was audited",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    order = [arm for arm in ARMS if arm in set(rows["arm"])] + sorted(set(rows["arm"]) - set(ARMS))
    y = alt.Y("arm:N", title=None, sort=order, axis=alt.Axis(grid=False))
    x = alt.X("share_flagged:Q", title="share flagged", scale=alt.Scale(domain=[0, 1.25]), axis=alt.Axis(format="%", values=[0, 0.5, 1]))
    tip = ["arm:N", "audit:N", "count:N", alt.Tooltip("median_value:Q", format=".3f"), alt.Tooltip("highest_value:Q", format=".3f")]
    bar = alt.Chart().mark_bar(color=BAD, opacity=0.85, cornerRadiusEnd=2, height=12).encode(x=x, y=y, tooltip=tip)
    text = alt.Chart().mark_text(align="left", dx=5, fontSize=10, color=MUTED).encode(x=x, y=y, text="count:N")
    layers = alt.layer(bar, text).properties(width=190, height={"step": 24})
    data = values(rows, "detector", "arm", "audit", "share_flagged", "count", "median_value", "highest_value")
    return faceted(layers, data, [of_detector()], [chosen_detector(facts)], facet=alt.Facet("audit:N", title=None), columns=4)
