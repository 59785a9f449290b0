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

from asteer_core.report.bounds import CHARACTERS, TABLE_ROWS
from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure
from asteer_core.report.gallery import exhibits
from asteer_core.report.glance import glance
from asteer_core.report.headline import Headline
from asteer_core.report.numbers import cell, counted, number, percent, percent_span, tight, with_interval
from asteer_core.report.theme import DARK, LIGHT, specification

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
    environment.filters |= {
        "cell": cell,
        "number": number,
        "percent": percent,
        "percent_span": percent_span,
        "tight": tight,
        "counted": counted,
    }
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
        definition=_definition(facts),
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
    """Return a table as the template shows it: a value and its two ends in one cell, and no more than `TABLE_ROWS` rows."""
    shown, kinds = frame.head(TABLE_ROWS), 1
    if "detector" in frame.columns:
        kinds = max(frame["detector"].n_unique(), 1)
        shown = frame.group_by("detector", maintain_order=True).head(TABLE_ROWS // kinds)
    names = [name for name in frame.columns if not name.endswith(("_lo", "_hi"))]
    ranged = [f"{name}_lo" in frame.columns for name in names]
    rows = [
        [
            with_interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"]) if both else cell(row[name])
            for name, both in zip(names, ranged, strict=True)
        ]
        for row in shown.iter_rows(named=True)
    ]
    return {
        "columns": [f"{name} [95 %]" if both else name for name, both in zip(names, ranged, strict=True)],
        "numeric": [frame.schema[name].is_numeric() for name in names],
        "rows": rows,
        "detectors": shown["detector"].to_list() if "detector" in frame.columns else None,
        "height": frame.height,
    }


def _definition(facts: Facts) -> str:
    text = facts.row("studies").get("definition") or ""
    more = f"SELECT definition FROM studies WHERE study = '{facts.study}'"
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}\n... cut here; all of it in SQL: {more}"


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
