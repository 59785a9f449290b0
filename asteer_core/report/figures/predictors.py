"""Which metric foretells the detector: rank correlation of every metric with AUROC, pooled with its interval, and each concept."""

import altair as alt
import polars as pl

from asteer_core.report.bounds import said
from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, line_at, of_detector, values
from asteer_core.report.theme import CALM, GOOD, INK, METRICS


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.frames["correlations"].filter(pl.col("spearman").is_not_null() & pl.col("spearman_lo").is_not_null())
    rows = rows.filter((pl.col("metric") != "hm - hm_sc") & pl.col("concept").is_in([POOLED, *facts.panels])).with_columns(
        label=pl.col("metric").replace(METRICS)
    )
    measures = [f"{name}{end}" for name in ("spearman", "kendall", "pearson") for end in ("", "_lo", "_hi")]
    table = facts.frames["correlations"].select("detector", "concept", "metric", *measures, "p_permutation", "ceiling", "n", "reason")
    table = table.filter(pl.col("concept").is_in([POOLED, *facts.panels])).sort(pl.col("concept") != POOLED, maintain_order=True)
    sql = f"FROM metric_auroc_correlation WHERE study = '{facts.study}'"
    cut = said(len(facts.panels), len(facts.concepts), "concepts", "evenly spaced by name", sql)
    return Figure(
        "predictors",
        "Which metric tells in advance how good the detector will be?",
        "The dot is the rank correlation (Spearman) of a metric, computed without any real data, with the AUROC of the detector that "
        "learned from the corpus, over all concepts; small marks are the concepts. Right of zero: more of it, better detector.",
        _chart(facts, rows) if rows.height else None,
        table,
        "Unit: a steered configuration. Lines are 95 % bootstrap intervals of the pooled correlation (mean Fisher z). Strength and "
        f"length are the trivial rivals that a useful metric must beat.{cut}",
        "no metric has a correlation with AUROC: too few configurations, or no variation",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    data = values(rows, "detector", "concept", "label", "spearman", "spearman_lo", "spearman_hi", "n")
    pooled = alt.FilterTransform(filter=f"datum.concept === '{POOLED}'")
    parts = alt.FilterTransform(filter=f"datum.concept !== '{POOLED}'")
    order = alt.EncodingSortField(field="key", op="max", order="descending")
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelFontSize=12, grid=False))
    x = alt.X(
        "spearman:Q", title="Spearman correlation with AUROC", scale=alt.Scale(domain=[-1, 1]), axis=alt.Axis(format="+.1f", tickCount=9)
    )
    tip = ["concept:N", "label:N", alt.Tooltip("spearman:Q", format="+.3f"), alt.Tooltip("spearman_lo:Q", format="+.3f"),
           alt.Tooltip("spearman_hi:Q", format="+.3f"), "n:Q"]  # fmt: skip
    base = alt.Chart().encode(y=y)
    zero = line_at("x", 0, INK)
    each = base.mark_point(shape="stroke", angle=90, size=70, strokeWidth=1.5, color=CALM, opacity=0.8).encode(x=x, tooltip=tip)
    each = each.transform_filter(parts.filter)
    reach = base.mark_rule(strokeWidth=3, color=GOOD, opacity=0.55).encode(x=x, x2="spearman_hi:Q").transform_filter(pooled.filter)
    reach = reach.encode(x=alt.X("spearman_lo:Q", title="Spearman correlation with AUROC"))
    point = base.mark_point(filled=True, size=110, color=GOOD, opacity=1).encode(x=x, tooltip=tip).transform_filter(pooled.filter)
    chart = alt.layer(zero, each, reach, point, data=data).properties(width=720, height={"step": 26})
    chart = chart.add_params(chosen_detector(facts))
    key = alt.CalculateTransform(calculate=f"datum.concept === '{POOLED}' ? datum.spearman : -2", **{"as": "key"})
    chart.transform = [of_detector(), key]
    return chart
