"""The report: what the study found, as one HTML file."""

from collections.abc import Iterator
from pathlib import Path

from asteer_core.report import write_report
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.stages.warehouse import published_key
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import replace_file, warehouse_path

VERSION = 2


def report_path(home: Path, study: str) -> Path:
    """Return where a study's report lies in a home."""
    return home / "reports" / f"{study}.html"


@recorded
def report(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done` that names the file, with what it says and its main figures."""
    written = write_report(ws.study.name, report_path(ws.home, ws.study.name), warehouse_path(ws.home), pictures=True)
    # The page itself is the same bytes for the same warehouse; this says which warehouse it shows.
    key = str(published_key(ws))
    replace_file(_key_path(ws), lambda temporary: temporary.write_text(key, encoding="utf-8"))
    metadata: dict[str, int | float | str | None] = {"path": str(written.path), "answer": written.answer, **written.verdicts}
    yield Done("", None, 1, metadata=metadata, pictures=written.pictures)


def is_written(ws: Workspace) -> bool:
    """Return whether the report shows what the warehouse holds now."""
    try:
        known = _key_path(ws).read_text(encoding="utf-8")
    except OSError:
        return False
    return report_path(ws.home, ws.study.name).is_file() and known == published_key(ws)


def _key_path(ws: Workspace) -> Path:
    return report_path(ws.home, ws.study.name).with_suffix(".key")
