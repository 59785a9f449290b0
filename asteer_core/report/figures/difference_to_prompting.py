"""Forest plot: AUROC of every steered configuration minus the mean AUROC of prompting, with its interval."""

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure, chosen_detector, faceted, line_at, of_detector, short, values
from asteer_core.report.theme import BAD, CALM, GOOD, INK

SHOWN = 48
"""Configurations per concept that a reader can take in; of more, the best and the worst are drawn."""
DRAWN = 576
"""Configurations in the whole figure."""
VERDICTS = {"above prompting": GOOD, "not told apart": CALM, "below prompting": BAD}


def build(facts: Facts) -> Figure:
    """Return the figure."""
    rows = facts.steered.filter(pl.col("difference").is_not_null() & pl.col("concept").is_in(facts.panels)).with_columns(
        configuration=short(),
        verdict=pl.when(pl.col("difference_lo") > 0)
        .then(pl.lit("above prompting"))
        .when(pl.col("difference_hi") < 0)
        .then(pl.lit("below prompting"))
        .otherwise(pl.lit("not told apart")),
    )
    columns = ["concept", "configuration", *(f"{name}{end}" for name in ("auroc", "difference") for end in ("", "_lo", "_hi"))]
    table = rows.filter(pl.col("configuration_id").is_in(facts.drawn["configuration_id"].implode())).select(
        "detector", *columns, "p", "verdict", "flags"
    )
    half = min(SHOWN, DRAWN // max(len(facts.panels), 1)) // 2
    place = pl.col("difference").rank("ordinal", descending=True).over("detector", "concept")
    last = pl.len().over("detector", "concept")
    shown = rows.filter((place <= half) | (place > last - half))
    cut = "" if shown.height == rows.height else f" Of each concept the {half} best and worst are drawn."
    return Figure(
        "difference",
        "Does steered data beat prompted data?",
        "Each line is one detector trained on one steered corpus: how far its AUROC on real text lies above (right) or below (left) the "
        "mean of the detectors trained on prompted corpora of the same model.",
        _chart(facts, shown) if shown.height else None,
        table.sort("detector", "concept", "difference", descending=[False, False, True]),
        "Lines are 95 % intervals over test texts and training seeds. The best of many configurations lies above prompting by chance "
        f"alone; read the shares above, not the top line.{cut}{facts.said_of_drawn('In the table')}",
        "no steered configuration has a difference to prompting; the study has no prompted baseline",
    )


def _chart(facts: Facts, rows: pl.DataFrame) -> alt.FacetChart:
    data = values(rows, "detector", "concept", "configuration", "difference", "difference_lo", "difference_hi", "verdict", "auroc", "flags")
    y = alt.Y("configuration:N", title=None, sort=alt.EncodingSortField("difference", order="descending"), axis=alt.Axis(labelFontSize=10))
    scale = alt.Scale(domain=list(VERDICTS), range=list(VERDICTS.values()))
    colour = alt.Color("verdict:N", title=None, scale=scale)
    x = alt.X("difference:Q", title="AUROC minus mean of prompting", axis=alt.Axis(format="+.2f", tickCount=5))
    tip = ["configuration:N", alt.Tooltip("auroc:Q", format=".3f"), alt.Tooltip("difference:Q", format="+.3f"), "verdict:N", "flags:N"]
    base = alt.Chart().encode(y=y)
    zero = line_at("x", 0, INK)
    reach = base.mark_rule(strokeWidth=1.6, opacity=0.75).encode(x=x, x2="difference_hi:Q", color=colour)
    reach = reach.encode(x=alt.X("difference_lo:Q", title="AUROC minus mean of prompting", axis=alt.Axis(format="+.2f", tickCount=5)))
    point = base.mark_point(filled=True, size=34, opacity=1).encode(x=x, color=colour, tooltip=tip)
    layers = alt.layer(zero, reach, point).properties(width=318, height={"step": 14})
    facet = {"facet": alt.Facet("concept:N", title=None), "columns": min(2, len(facts.panels))}
    return faceted(layers, data, [of_detector()], [chosen_detector(facts)], **facet).resolve_scale(y="independent")
