"""`asteer concepts`: list them, begin one of your own, and see what is weak about one."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asteer_core import paths
from asteer_core.concepts import list_concepts, load_concept
from asteer_core.errors import AsteerError
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import printable

app = typer.Typer(help="Concepts: list them, begin one of your own, see what is weak about one.", no_args_is_help=True)

WEAK = 3


def _load(name: str, home: Path | None):
    return load_concept(name, paths.concept_roots(paths.home(home), paths.data_root()), paths.home(home) / "cache" / "datasets")


@app.command("list")
def show_list(home: Home = None, as_json: Json = False) -> None:
    """List the concepts that ship and your own, with their sizes."""
    roots = paths.concept_roots(paths.home(home), paths.data_root())
    rows = []
    for name in list_concepts(roots):
        try:
            concept = _load(name, home)
        except AsteerError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        size = {"pairs": concept.pairs.height, "prompts": concept.prompts.height, "real": concept.own.height}
        rows.append({"name": name, "h": concept.card.h, "title": concept.card.title, **size, "folder": str(concept.folder)})
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "breaks", "what it is", "pairs", "prompts", "real texts", "folder", box=None)
    for row in rows:
        if "problem" in row:
            table.add_row(escape(row["name"]), "", f"[red]{escape(printable(row['problem']))}")
        else:
            table.add_row(*(escape(printable(str(row[key]))) for key in ("name", "h", "title", "pairs", "prompts", "real", "folder")))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command("new")
def new(name: Annotated[str, typer.Argument(help="Lower case, as it will stand in keys: `cruelty`.")], home: Home = None) -> None:
    """Write the files of a new concept, to be filled in."""
    from asteer_core.concepts.scaffold import SIZES, new_concept

    if name in list_concepts(paths.concept_roots(paths.home(home), paths.data_root())):
        raise typer.BadParameter(f"there is a concept {name!r} already; choose another name")
    written = new_concept(name, paths.home(home) / "concepts")
    console = Console(soft_wrap=True, highlight=False)
    for path in written:
        sizes = ", ".join(f"{count} {split}" for split, count in SIZES.get(path.name, {}).items())
        console.print(f"{path}{f'  (aim at: {sizes})' if sizes else ''}", markup=False)
    console.print(f"\nFill them in, then: [bold]asteer concepts check {name}[/]")


@app.command("check")
def check(name: Annotated[str, typer.Argument(help="Name, or path of a folder.")], home: Home = None, as_json: Json = False) -> None:
    """Say what is weak about a concept: too few rows, repeats, leaks, lengths. Exit code 3 where something is weak."""
    from asteer_core.concepts.review import counts, review

    concept = _load(name, home)
    table, found = counts(concept), review(concept)
    weak = [finding for finding in found if finding.level == "weak"]
    if as_json:
        print(json.dumps({"concept": concept.name, "rows": table.to_dicts(), "findings": [asdict(finding) for finding in found]}, indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 140)
        shown = Table(
            "file",
            "split",
            "label",
            "rows",
            "recommended",
            box=None,
            title=escape(f"{concept.name}: {concept.folder}"),
            title_justify="left",
        )
        for row in table.rows():
            shown.add_row(*("" if cell is None else str(cell) for cell in row))
        console.print(shown)
        for finding in found:
            mark = "[yellow]weak[/]" if finding.level == "weak" else "[dim]note[/]"
            console.print(
                f"{mark}  {escape(finding.where)}: {escape(printable(finding.what))}; {escape(finding.remedy)}",
                soft_wrap=True,
                highlight=False,
            )
        if not found:
            console.print("[green]Nothing weak was found.[/]")
    if weak:
        raise typer.Exit(WEAK)
