"""The report: what the study found, as one HTML file."""

from collections.abc import Iterator
from pathlib import Path

from asteer_core.report import write_report
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import warehouse_path


def report_path(home: Path, study: str) -> Path:
    """Return where a study's report lies in a home."""
    return home / "reports" / f"{study}.html"


@recorded
def report(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done` that names the file, with what it says and its main figures."""
    written = write_report(ws.study.name, report_path(ws.home, ws.study.name), warehouse_path(ws.home), pictures=True)
    metadata: dict[str, int | float | str | None] = {"path": str(written.path), "answer": written.answer, **written.verdicts}
    yield Done("", None, 1, metadata=metadata, pictures=written.pictures)
