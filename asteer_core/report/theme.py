"""Colours and type of the figures. The page defines the same colours as CSS variables, so that one figure serves dark, light and print.

Belongs here: what every figure shares. Does not: one figure's marks, or the page around it (`template/report.css`).

The categorical colours are Okabe and Ito's (2008), which stay apart under the common forms of colour blindness; figures add shapes.
"""

import json
from collections.abc import Mapping
from typing import Any

import altair as alt

LIGHT: Mapping[str, str] = {
    "ink": "#1d1c1a", "muted": "#6a665f", "line": "#e3dfd7", "accent": "#0f5f9c", "good": "#0072b2", "bad": "#c2500a", "calm": "#8d8a84",
    "c1": "#0072b2", "c2": "#d55e00", "c3": "#009e73", "c4": "#b8588f", "c5": "#b07d00", "c6": "#3d9bd1", "c7": "#5b4a9c", "c8": "#555555",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "ink": "#ece9e2", "muted": "#a19d95", "line": "#34373d", "accent": "#7cc0f2", "good": "#5fb0ea", "bad": "#f08a4b", "calm": "#85827c",
    "c1": "#56a9e6", "c2": "#f08a4b", "c3": "#3cc79c", "c4": "#e39cc3", "c5": "#e5b13a", "c6": "#8fd0f5", "c7": "#b0a3ee", "c8": "#c2c2c2",
}  # fmt: skip
SERIES = [f"var(--c{number})" for number in range(1, 9)]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, LINE, GOOD, BAD, CALM = (f"var(--{name})" for name in ("ink", "muted", "line", "good", "bad", "calm"))

METRICS = {
    "success": "Success",
    "coherence": "Coherence",
    "diversity": "Diversity",
    "hm": "HM of S, C, D",
    "hm_sc": "HM of S, C",
    "am": "mean of S, C, D",
    "am_sc": "mean of S, C",
    "gm": "geometric mean of S, C, D",
    "gm_sc": "geometric mean of S, C",
    "min": "least of S, C, D",
    "min_sc": "least of S, C",
    "sample_diversity": "Diversity within texts",
    "set_diversity": "Diversity of the set",
    "strength": "Strength",
    "mean_length": "Length",
    "auroc": "AUROC",
}
"""How a metric is called in a figure."""


def in_words(metric: str) -> str:
    """Return how a metric is called within a sentence."""
    name = METRICS.get(metric, metric)
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def colours(names: list[str], title: str | None = None) -> alt.Color:
    """Return the colour of each of `names`, always the same for the same list."""
    return alt.Color("method:N", title=title, scale=alt.Scale(domain=names, range=[SERIES[i % 8] for i in range(len(names))]))


def shapes(field: str, names: list[str], title: str | None = None) -> alt.Shape:
    """Return the shape of each of `names`; without a legend where there is one name only."""
    scale = alt.Scale(domain=names, range=[SHAPES[i % 8] for i in range(len(names))])
    legend = alt.Legend(symbolFillColor="transparent", symbolStrokeColor=MUTED) if len(names) > 1 else None
    return alt.Shape(field, title=title, scale=scale, legend=legend)


def specification(chart: Any) -> dict[str, Any]:
    """Return a figure as Vega-Lite, with the house's type and lines."""
    axis = {
        "labelColor": MUTED, "titleColor": MUTED, "domainColor": LINE, "tickColor": LINE, "gridColor": LINE, "labelFontSize": 11,
        "titleFontSize": 11, "titleFontWeight": "normal", "gridOpacity": 0.7, "tickSize": 4, "labelLimit": 240, "titlePadding": 8,
    }  # fmt: skip
    spec = chart.to_dict()
    spec["config"] = {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": "transparent"},
        "axis": axis,
        "legend": {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
                   "orient": "top", "direction": "horizontal", "symbolSize": 70, "symbolOpacity": 1, "columnPadding": 14, "offset": 12},
        "header": {"labelColor": INK, "titleColor": MUTED, "labelFontSize": 12, "labelFontWeight": 600, "labelPadding": 6},
        "title": {"color": INK, "fontSize": 12, "anchor": "start"},
        "text": {"color": INK},
    }  # fmt: skip
    spec.pop("$schema", None)
    return spec


def literal(spec: Mapping[str, Any], palette: Mapping[str, str] = LIGHT) -> dict[str, Any]:
    """Return a specification in which the page's colours are written out, for a picture that has no page."""
    text = json.dumps(spec)
    for name, colour in palette.items():
        text = text.replace(f"var(--{name})", colour)
    return json.loads(text)
