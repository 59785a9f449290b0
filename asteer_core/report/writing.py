"""From the warehouse to the file, and what to say of it elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asteer_core.report.facts import gather
from asteer_core.warehouse import replace_file

PICTURES = ("predictors", "difference", "narrow-band")
"""Figures that are also shown as pictures where the page is not, such as in the orchestrator's interface."""


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        path: the file. size: its bytes.
        answer: the headline sentence. verdicts: question or caution -> what there is to say, of the headline detector.
        pictures: figure title -> PNG; empty unless asked for.
    """

    path: Path
    size: int
    answer: str
    verdicts: dict[str, str]
    pictures: dict[str, bytes]


def write_report(study: str, path: Path, warehouse: Path | None = None, *, pictures: bool = False) -> Written:
    """Write the report of a study to `path`, complete or not at all, and return what it says.

    The file depends on the warehouse alone: the same warehouse gives the same bytes.

    Raises:
        ConfigError: the warehouse has no such study.
        StoreError: there is no warehouse or nothing to report, or the file cannot be written.
    """
    # Altair takes a second to import, and only a report needs it.
    from asteer_core.report.figures import build_figures
    from asteer_core.report.headline import headline
    from asteer_core.report.page import render

    facts = gather(study, warehouse)
    figures = build_figures(facts)
    headlines = [headline(facts, detector) for detector in facts.detectors]
    text = render(facts, figures, headlines)
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    drawn = {figure.title: _picture(figure.chart) for figure in figures if figure.name in PICTURES and figure.chart} if pictures else {}
    first = headlines[0]
    return Written(path, len(text.encode()), first.answer, {item.name: item.told for item in first.statements}, drawn)


def _picture(chart: Any) -> bytes:
    import vl_convert

    from asteer_core.report.page import VEGA_LITE
    from asteer_core.report.theme import literal, specification

    return vl_convert.vegalite_to_png(literal(specification(chart)), vl_version=VEGA_LITE, ppi=72)
