"""What a figure is, and the few steps that several share. A single figure's marks do not belong here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from asteer_core.report.facts import Facts

DIGITS = 4
DETECTOR = "detector"


@dataclass(frozen=True)
class Figure:
    """One figure of the report.

    Attributes:
        name: its anchor on the page.
        title: what it shows, as a heading.
        lead: what to see in it, one or two sentences; plain text.
        chart: the Altair chart, or None where there is nothing to draw.
        table: what is drawn, as rows; a column `detector` makes it follow the page's choice.
        note: how it was made and what to beware of; plain text.
        nothing: why there is no chart.
    """

    name: str
    title: str
    lead: str
    chart: Any
    table: pl.DataFrame
    note: str = ""
    nothing: str = ""


Build = Callable[[Facts], Figure]


def values(frame: pl.DataFrame, *columns: str) -> alt.Data:
    """Return rows as data inside the specification, floats to four decimals; without columns, all of them."""
    chosen = frame.select(columns) if columns else frame
    return alt.Data(values=chosen.with_columns(pl.selectors.float().round(DIGITS)).to_dicts())


def chosen_detector(facts: Facts) -> alt.Parameter:
    """Return the parameter that the page sets when the reader chooses another detector kind."""
    return alt.param(name=DETECTOR, value=facts.detectors[0])


def of_detector() -> alt.FilterTransform:
    """Return the filter to the detector kind that the page shows."""
    return alt.FilterTransform(filter=f"datum.{DETECTOR} === {DETECTOR}")


def of_detector_or_all() -> alt.FilterTransform:
    """Return the same filter for data in which a row without a detector belongs to all of them."""
    return alt.FilterTransform(filter=f"datum.{DETECTOR} === null || datum.{DETECTOR} === {DETECTOR}")


def short(column: str = "configuration_id") -> pl.Expr:
    """Return a configuration's key: its id without concept and hash."""
    return pl.col(column).str.replace(r"^[^:]+:", "").str.replace(r"#.*$", "")


def faceted(chart: Any, data: alt.Data, transform: Sequence[Any], parameters: Sequence[alt.Parameter] = (), **facet: Any) -> Any:
    """Return layers as small multiples whose filter acts before the rows are split, so that no panel is empty."""
    whole = chart.facet(data=data, **facet)
    whole.transform = list(transform)
    return whole.add_params(*parameters) if parameters else whole


def line_at(channel: str, value: float, ink: str) -> alt.Chart:
    """Return a dashed line across a panel at one value of an axis, drawn once whatever the number of rows."""
    rule = alt.Chart().mark_rule(color=ink, opacity=0.55, strokeDash=[3, 3]).transform_aggregate(rows="count()")
    return rule.encode(**{channel: alt.datum(value)})


def row_header() -> alt.Header:
    """Return upright labels for the rows of small multiples; turned ones do not fit beside low panels."""
    return alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle", labelPadding=4)
