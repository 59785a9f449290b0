"""`asteer report`: one HTML file with what a study found."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.report import write_report
from asteer_core.study.stages.report import report_path
from asteer_core.warehouse import warehouse_path
from asteer_pipeline.cli.options import Home
from asteer_pipeline.cli.terminal import printable


def report(
    study: Annotated[str, typer.Argument(help="Name of a study in the warehouse.")] = "quick",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; default <home>/reports/<study>.html.")] = None,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer, the verdicts and the path as JSON.")] = False,
) -> None:
    """Write one self-contained HTML file: the answer, figures with their tables, samples, provenance. It needs no network."""
    root = paths.home(home)
    # A study file names its study as well as the preset's name does.
    name = Path(study).stem if Path(study).suffix in (".yaml", ".yml") else study
    written = write_report(name, (out or report_path(root, name)).resolve(), warehouse_path(root))
    if as_json:
        facts = {"path": str(written.path), "bytes": written.size, "answer": written.answer, "verdicts": written.verdicts}
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(f"[bold]{written.answer}[/]", highlight=False)
    for name, text in written.verdicts.items():
        console.print(f"{name if name.endswith('?') else f'{name}.'} {text}", markup=False, highlight=False, style="dim")
    console.print(
        printable(f"\n{written.path}  ({written.size / 1e6:.1f} MB; open it in a browser)"), markup=False, highlight=False, soft_wrap=True
    )
