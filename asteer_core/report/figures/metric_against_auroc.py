"""Scatter: a metric of each corpus against the AUROC of its detector, both with intervals, and the correlation of each concept."""

from typing import Any

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, of_detector, short, values
from asteer_core.report.numbers import number, span
from asteer_core.report.theme import METRICS, colours, shapes

CHOICES = ("hm", "success", "coherence", "diversity", "hm_sc")
WHISKERS = 60
"""Points of a panel up to which their intervals are drawn from the start; the reader can always choose."""
ENDS = ("", "_lo", "_hi")


def build(facts: Facts) -> Figure:
    """Return the figure."""
    keep = ["detector", "concept", "model", "method", *(f"{name}{end}" for name in (*CHOICES, "auroc") for end in ENDS)]
    rows = facts.drawn.filter(pl.col("auroc").is_not_null() & pl.any_horizontal(pl.col(CHOICES).is_not_null()))
    rows = rows.with_columns(configuration=short()).select("configuration", *keep)
    return Figure(
        "scatter",
        "The heuristic against the truth",
        "Every point is one steered configuration: its harmonic mean, which needs no real data, against the AUROC of its detector on real "
        "text. If the heuristic held, the points would climb to the right. Another metric can be chosen under the figure.",
        _chart(facts, rows) if rows.height else None,
        rows.select("detector", "concept", "configuration", pl.exclude("detector", "concept", "configuration", "model", "method")),
        f"ρ is Spearman's correlation over all configurations of the concept, with its 95 % interval. Thin lines are the 95 % intervals of "
        f"the metric (over prompts) and of AUROC (over test texts and training seeds).{facts.said_of_drawn()}",
        "no steered configuration has both a metric and an AUROC",
    )


def _panels(facts: Facts) -> list[dict[str, str]]:
    """Return the heading of every panel, by detector, concept and metric."""
    rows = facts.frames["correlations"].filter(pl.col("metric").is_in(CHOICES))
    found = {(row["detector"], row["concept"], row["metric"]): row for row in rows.rows(named=True)}
    keys = [(detector, concept, metric) for detector in facts.detectors for concept in facts.panels for metric in CHOICES]
    return [{"key": "|".join(key), "panel": _panel(key[1], found.get(key))} for key in keys]


def _panel(concept: str, row: dict[str, Any] | None) -> str:
    if row is None or row["spearman"] is None:
        return f"{concept}: ρ undefined"
    ends = span(row["spearman_lo"], row["spearman_hi"], signed=True)
    return f"{concept}: ρ = {number(row['spearman'], signed=True)} {ends}".rstrip()


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    names = [METRICS[name] for name in CHOICES]
    choice = alt.param(name="metric", value="hm", bind=alt.binding_select(options=list(CHOICES), labels=names, name="Metric: "))
    crowd = rows.group_by("detector", "concept").len()["len"].max()
    few = int(str(crowd)) <= WHISKERS
    whiskers = alt.param(name="whiskers", value=few, bind=alt.binding_checkbox(name="95 % intervals: "))
    headings = alt.LookupData(data=alt.Data(values=_panels(facts)), key="key", fields=["panel"])
    # The metric is picked on the page, so that each configuration stands in the data once.
    picked = [alt.CalculateTransform(calculate=f"datum[metric + '{end}']", **{"as": f"value{end}"}) for end in ENDS]
    key = alt.CalculateTransform(calculate="datum.detector + '|' + datum.concept + '|' + metric", **{"as": "key"})
    heading = alt.LookupTransform(lookup="key", **{"from": headings})
    steps = [of_detector(), *picked, alt.FilterTransform(filter="datum.value !== null"), key, heading]
    facet = {"facet": alt.Facet("panel:N", title=None), "columns": min(2, len(facts.panels))}
    return faceted(_layers(rows), values(rows), steps, [chosen_detector(facts), choice, whiskers], **facet)


def _layers(rows: pl.DataFrame) -> Any:
    methods, models = sorted(set(rows["method"])), sorted(set(rows["model"]))
    scale = alt.Scale(zero=False, nice=True)
    x, y = (alt.X("value:Q", title="metric of the corpus", scale=scale), alt.Y("auroc:Q", title="AUROC on real text", scale=scale))
    tip = ["configuration:N", *(alt.Tooltip(f"{name}{end}:Q", format=".3f") for name in ("value", "auroc") for end in ENDS)]
    base = alt.Chart().encode(color=colours(methods, "method"))
    rule = base.mark_rule(strokeWidth=1, opacity=0.3)
    across = rule.transform_filter("whiskers && datum.value_lo !== null").encode(x=x, x2="value_hi:Q", y=y)
    across = across.encode(x=alt.X("value_lo:Q", title="metric of the corpus", scale=scale))
    up = rule.transform_filter("whiskers && datum.auroc_lo !== null").encode(x=x, y=alt.Y("auroc_lo:Q", scale=scale), y2="auroc_hi:Q")
    point = base.mark_point(filled=True, size=52, opacity=0.9).encode(x=x, y=y, shape=shapes("model:N", models, "model"), tooltip=tip)
    return alt.layer(across, up, point).properties(width=385, height=230)
