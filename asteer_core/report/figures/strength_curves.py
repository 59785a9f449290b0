"""Along the dial: success, coherence, diversity, their harmonic mean and the AUROC against strength, each with its interval."""

from typing import Any

import altair as alt
import polars as pl

from asteer_core.report.bounds import CURVES, ROWS_OF_PANELS, best_and_spread, said, spread
from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, of_detector_or_all, row_header, short, values
from asteer_core.report.theme import METRICS, MUTED, colours, shapes

PANELS = ("success", "coherence", "diversity", "hm", "auroc")
STEPS = 20
"""Strengths of a curve that stands for many."""
CURVE = ["model", "method", "layer"]


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.steered.filter(pl.col("strength").is_not_null())
    ends = [f"{name}{end}" for name in PANELS for end in ("", "_lo", "_hi")]
    table = (
        facts.drawn.filter(pl.col("strength").is_not_null())
        .with_columns(configuration=short())
        .select("detector", "concept", *CURVE, "strength", *ends, "displacement", "kl")
    )
    most = rows.group_by("concept").agg(pl.struct(CURVE).n_unique().alias("curves"))["curves"].max() if rows.height else 0
    merged = int(str(most or 0)) > CURVES
    band = (
        "Lines are the median over models and layers of a method, bands run from the lowest to the highest tenth of them"
        if merged
        else "Bands are 95 % intervals: of S, C, D and HM over prompts, of AUROC over test texts and training seeds"
    )
    concepts = spread(facts.concepts, ROWS_OF_PANELS)
    cut = said(len(concepts), len(facts.concepts), "concepts", "evenly spaced by name", _sql(facts)) + facts.said_of_drawn("In the table")
    return Figure(
        "strength",
        "What turning up the strength does",
        "Left to right in each panel, the push grows. Success rises; the question is what coherence, diversity and the detector do. The "
        "dashed line is the mean of the prompted corpora.",
        _chart(facts, rows.filter(pl.col("concept").is_in(concepts)), merged) if rows.height else None,
        table.sort("detector", "concept", *CURVE, "strength"),
        f"{band}. Strength is a share of the residual stream's median norm; for angular it is the share of the way to the concept's "
        f"direction, so compare shapes, not positions, with the other methods.{cut}",
        "no steered configuration has a strength",
    )


def _sql(facts: Facts) -> str:
    return f"FROM strength_curves WHERE study = '{facts.study}'"


def _long(board: pl.DataFrame, index: list[str]) -> pl.DataFrame:
    """Return one row per value with its ends; the metrics of a corpus once, with no detector, since every detector shares them."""
    parts = []
    for name in PANELS:
        part = board if name == "auroc" else board.with_columns(detector=pl.lit(None, pl.String))
        keep = [*index, pl.col(name).alias("value"), pl.col(f"{name}_lo").alias("lo"), pl.col(f"{name}_hi").alias("hi")]
        parts.append(part.select(*keep).with_columns(metric=pl.lit(name)).unique(maintain_order=True))
    return pl.concat(parts).filter(pl.col("value").is_not_null())


def _merged(drawn: pl.DataFrame) -> pl.DataFrame:
    """Return the median and the middle four fifths over models and layers, at no more than `STEPS` strengths."""
    low, high = drawn["strength"].min(), drawn["strength"].max()
    if drawn["strength"].n_unique() > STEPS:
        step = (float(str(high)) - float(str(low))) / (STEPS - 1)
        drawn = drawn.with_columns(strength=float(str(low)) + ((pl.col("strength") - low) / step).round() * step)
    methods = drawn.filter(pl.col("metric") == "auroc").group_by("method").agg(pl.col("value").max()).sort("value", "method")["method"]
    drawn = drawn.filter(pl.col("method").is_in(best_and_spread(methods.reverse().to_list(), 8)))
    value = pl.col("value")
    merged = drawn.group_by("detector", "concept", "method", "strength", "metric", maintain_order=True).agg(
        value.quantile(0.1).alias("lo"),
        value.quantile(0.9).alias("hi"),
        value.median(),
        pl.lit("all").alias("model"),
        pl.lit(None).alias("layer"),
    )
    return merged.sort("detector", "concept", "metric", "method", "strength")


def _chart(facts: Facts, rows: pl.DataFrame, merged: bool) -> alt.FacetChart:
    drawn = _long(rows, ["detector", "concept", *CURVE, "strength"])
    drawn = _merged(drawn) if merged else drawn
    prompted = facts.frames["board"].filter(pl.col("arm") == "prompted")
    keys = ["detector", "concept", "metric"]
    level = _long(prompted, ["detector", "concept", "configuration_id"]).group_by(keys).agg(pl.col("value").mean().alias("prompted"))
    drawn = drawn.join(level, on=keys, how="left", nulls_equal=True).with_columns(panel=pl.col("metric").replace(METRICS))
    names = [METRICS[name] for name in PANELS]
    return faceted(
        _layers(drawn), values(drawn.drop("metric")), [of_detector_or_all()], [chosen_detector(facts)],
        column=alt.Column("panel:N", title=None, sort=names), row=alt.Row("concept:N", title=None, header=row_header()),
    ).properties(spacing={"row": 16, "column": 14})  # fmt: skip


def _layers(drawn: pl.DataFrame) -> Any:
    methods, models = sorted(set(drawn["method"])), sorted(set(drawn["model"]))
    x = alt.X("strength:Q", title="strength", axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=False, padding=6))
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3))
    tip = ["model:N", "method:N", "layer:O", alt.Tooltip("strength:Q", format=".3~f"), "panel:N",
           *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "lo", "hi", "prompted"))]  # fmt: skip
    base = alt.Chart().encode(x=x, color=colours(methods, "method"), detail=["model:N", "layer:N"])
    band = base.mark_area(opacity=0.16, clip=True).encode(y=alt.Y("lo:Q"), y2="hi:Q").transform_filter("datum.lo !== null")
    line = base.mark_line(strokeWidth=1.8, opacity=0.9).encode(y=y)
    point = base.mark_point(filled=True, size=26, opacity=1).encode(y=y, shape=shapes("model:N", models, "model"), tooltip=tip)
    rival = alt.Chart().mark_rule(color=MUTED, strokeDash=[4, 3]).encode(y="mean(prompted):Q")
    return alt.layer(band, rival, line, point).properties(width=150, height=110)
