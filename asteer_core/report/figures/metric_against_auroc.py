"""Scatter: a metric of each corpus against the AUROC of its detector, a panel per concept with the correlation and its interval."""

from typing import Any

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, of_detector, short, values
from asteer_core.report.theme import METRICS, colours, shapes

CHOICES = ("hm", "success", "coherence", "diversity", "hm_sc")


def build(facts: Facts) -> Figure:
    """Return the figure."""
    keep = ["detector", "concept", "configuration_id", "model", "method", "auroc"]
    rows = facts.steered.unpivot(list(CHOICES), index=keep, variable_name="metric").drop_nulls(["value", "auroc"])
    found = {(row["detector"], row["concept"], row["metric"]): row for row in facts.frames["correlations"].rows(named=True)}
    panel = [_panel(row["concept"], found.get((row["detector"], row["concept"], row["metric"]))) for row in rows.rows(named=True)]
    rows = rows.with_columns(configuration=short(), panel=pl.Series(panel, dtype=pl.String))
    wide = facts.steered.with_columns(configuration=short()).select(
        "detector", "concept", "configuration", *CHOICES, "auroc", "auroc_lo", "auroc_hi"
    )
    return Figure(
        "scatter",
        "The heuristic against the truth",
        "Every point is one steered configuration: its harmonic mean, which needs no real data, against the AUROC of its detector on real "
        "text. If the heuristic held, the points would climb to the right. Another metric can be chosen under the figure.",
        _chart(facts, rows) if rows.height else None,
        wide,
        "ρ is Spearman's correlation with its 95 % interval.",
        "no steered configuration has both a metric and an AUROC",
    )


def _panel(concept: str, row: dict[str, Any] | None) -> str:
    if row is None or row["spearman"] is None:
        return f"{concept}   ρ undefined"
    ends = "" if row["spearman_lo"] is None else f" [{row['spearman_lo']:+.2f}, {row['spearman_hi']:+.2f}]"
    return f"{concept}   ρ = {row['spearman']:+.2f}{ends}"


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.Chart:
    data = values(rows, "detector", "metric", "panel", "configuration", "model", "method", "value", "auroc")
    names = [METRICS[name] for name in CHOICES]
    choice = alt.param(name="metric", value="hm", bind=alt.binding_select(options=list(CHOICES), labels=names, name="Metric: "))
    methods, models = sorted(set(rows["method"])), sorted(set(rows["model"]))
    tip = ["configuration:N", alt.Tooltip("value:Q", format=".3f"), alt.Tooltip("auroc:Q", format=".3f")]
    return (
        alt.Chart(data)
        .transform_filter(of_detector().filter)
        .transform_filter("datum.metric === metric")
        .mark_point(filled=True, size=52, opacity=0.85)
        .encode(
            x=alt.X("value:Q", title="metric of the corpus", scale=alt.Scale(zero=False, nice=True)),
            y=alt.Y("auroc:Q", title="AUROC on real text", scale=alt.Scale(zero=False)),
            color=colours(methods, "method"),
            shape=shapes("model:N", models, "model"),
            tooltip=tip,
            facet=alt.Facet("panel:N", title=None, columns=2),
        )
        .properties(width=385, height=230)
        .add_params(chosen_detector(facts), choice)
    )
