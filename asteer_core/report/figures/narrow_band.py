"""Is there a band of success, coherence or diversity outside which steering does not help? Shares of wins by tercile."""

import altair as alt
import polars as pl

from asteer_core.report.bounds import said
from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, line_at, of_detector, values
from asteer_core.report.theme import CALM, GOOD, INK, METRICS

THIRDS = {1: "lowest third", 2: "middle third", 3: "highest third"}
PANELS = ["Success", "Coherence", "Diversity"]


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = (
        facts.frames["bands"]
        .filter(pl.col("concept").is_in([POOLED, *facts.panels]))
        .with_columns(
            third=pl.col("tercile").replace_strict(THIRDS, return_dtype=pl.String),
            panel=pl.col("metric").replace(METRICS),
        )
    )
    columns = ["detector", "concept", "metric", "third", "lowest", "highest", "n", "wins", "share_wins", "share_wins_lo", "share_wins_hi"]
    sql = f"FROM narrow_band WHERE study = '{facts.study}'"
    cut = said(len(facts.panels), len(facts.concepts), "concepts", "evenly spaced by name", sql)
    return Figure(
        "narrow-band",
        "Is there a narrow band that works?",
        "The steered configurations of each concept in thirds by one metric: which share of them beats prompting. A hump in the middle "
        "would be a narrow band; a slope says that one end is simply better.",
        _chart(facts, rows) if rows.height else None,
        rows.select(columns),
        "Lines are Wilson intervals over configurations, which are not independent: read them as too short. Thin lines are the "
        f"concepts.{cut}",
        "no steered configuration has a difference to prompting",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    x = alt.X("third:O", title=None, sort=list(THIRDS.values()), axis=alt.Axis(labelAngle=0), scale=alt.Scale(padding=0.4))
    y = alt.Y("share_wins:Q", title="share above prompting", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
    tip = ["concept:N", "third:N", alt.Tooltip("lowest:Q", format=".3f"), alt.Tooltip("highest:Q", format=".3f"), "wins:Q", "n:Q"]
    base = alt.Chart().encode(x=x)
    pooled = f"datum.concept === '{POOLED}'"
    half = line_at("y", 0.5, INK)
    each = base.mark_line(strokeWidth=1, opacity=0.7, color=CALM, point=alt.OverlayMarkDef(size=18, color=CALM))
    each = each.encode(y=y, detail="concept:N", tooltip=tip).transform_filter(f"!({pooled})")
    line = base.mark_line(strokeWidth=2.5, color=GOOD).encode(y=y).transform_filter(pooled)
    reach = (
        base.mark_rule(strokeWidth=3, color=GOOD, opacity=0.5)
        .encode(y=alt.Y("share_wins_lo:Q"), y2="share_wins_hi:Q")
        .transform_filter(pooled)
    )
    point = base.mark_point(filled=True, size=110, color=GOOD, opacity=1).encode(y=y, tooltip=tip).transform_filter(pooled)
    layers = alt.layer(half, each, reach, line, point).properties(width=275, height=210)
    data = values(
        rows, "detector", "concept", "panel", "third", "lowest", "highest", "n", "wins", "share_wins", "share_wins_lo", "share_wins_hi"
    )
    return faceted(layers, data, [of_detector()], [chosen_detector(facts)], column=alt.Column("panel:N", title=None, sort=PANELS))
