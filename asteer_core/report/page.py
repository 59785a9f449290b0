"""The page: figures, sentences and tables into one HTML file that asks the network for nothing.

A content security policy names the hash of each script on the page, so that even a text that escaped the escaping could not run or
load anything. Texts are escaped by the template engine; specifications are JSON in which `<` is written as a code.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure
from asteer_core.report.gallery import exhibits
from asteer_core.report.glance import glance
from asteer_core.report.headline import Headline
from asteer_core.report.numbers import cell, number, percent, percent_span
from asteer_core.report.theme import DARK, LIGHT, specification

ROWS = 400
"""Rows of a table on the page, per detector kind; the warehouse has all."""
VEGA_LITE = "6.4"


def render(facts: Facts, figures: Sequence[Figure], headlines: Sequence[Headline]) -> str:
    """Return the whole page."""
    environment = Environment(
        loader=PackageLoader("asteer_core.report", "template"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "number": number, "percent": percent, "percent_span": percent_span}
    scripts = [_bundle(), _file("report.js")]
    return environment.get_template("report.html.j2").render(
        facts=facts,
        figures=[_prepared(figure) for figure in figures],
        headlines=headlines,
        exhibits=exhibits(facts),
        glances={detector: glance(facts, detector) for detector in facts.detectors},
        provenance={name: _table(facts.frames[name].drop("study", strict=False)) for name in ("models", "concepts", "judges", "stages")},
        study=facts.row("studies"),
        about=facts.row("about"),
        counts=_counts(facts),
        style=Markup(_palette() + _file("report.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
    )


def _prepared(figure: Figure) -> dict[str, Any]:
    spec = None if figure.chart is None else specification(figure.chart)
    return {"figure": figure, "spec": None if spec is None else Markup(script_json(spec)), "table": _table(figure.table)}


def script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element, whatever texts are in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _table(frame: pl.DataFrame) -> dict[str, Any]:
    numeric = [kind.is_numeric() for kind in frame.schema.values()]
    shown = frame.group_by("detector", maintain_order=True).head(ROWS) if "detector" in frame.columns else frame.head(ROWS)
    rows = shown.rows()
    detector = frame.columns.index("detector") if "detector" in frame.columns else None
    return {"columns": frame.columns, "numeric": numeric, "rows": rows, "detector": detector, "height": frame.height}


def _counts(facts: Facts) -> dict[str, int]:
    steered = facts.steered
    return {
        "concepts": len(facts.concepts),
        "models": steered["model"].n_unique(),
        "methods": steered["method"].n_unique(),
        "configurations": steered["configuration_id"].n_unique(),
        "baselines": facts.frames["board"].filter(pl.col("arm") != "steered").select("concept", "model", "configuration_id").n_unique(),
    }


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    # Vega compiles its expressions, hence unsafe-eval; it makes its tooltips with inline styles.
    return f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"


@cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that defines `vegaEmbed`."""
    code = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # pyright: ignore[reportCallIssue]: the stub wants a snippet
    return code.replace("</script", "<\\/script")


@cache
def _file(name: str) -> str:
    return resources.files("asteer_core.report").joinpath("template", name).read_text("utf-8")


def _palette() -> str:
    def rules(palette: Any) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in palette.items())

    dark = rules(DARK)
    return (
        f":root{{{rules(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}\n"
    )
