"""`asteer data`: the recipes of real data sets, and what a data set or a concept's real data would give."""

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core import paths
from asteer_core.concepts import domains, list_concepts
from asteer_core.datasets import DatasetSpec, Intake, list_recipes, load_recipe, read_dataset, resolve
from asteer_core.documents import read_yaml
from asteer_core.errors import DataError
from asteer_core.study.instruments import Instruments
from asteer_pipeline.cli.options import Json
from asteer_pipeline.cli.terminal import printable

app = typer.Typer(name="data", help="Real labelled data: recipes, and checks of what a study would read.", no_args_is_help=True)


@app.command()
def recipes(as_json: Json = False) -> None:
    """The recipes that ship and your own ($ASTEER_HOME/recipes), with licence and home page."""
    specs = [load_recipe(name) for name in list_recipes()]
    if as_json:
        for spec in specs:
            typer.echo(spec.model_dump_json(include={"name", "title", "kind", "license", "noncommercial", "homepage", "notes"}))
        return
    table = _table("recipe", "title", "licence", "home page")
    for spec in specs:
        _add(table, spec.name, spec.title, spec.license, spec.homepage)
    Console().print(table)


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="A recipe, a YAML file that describes a data set, or a concept.")],
    path: Annotated[Path | None, typer.Option(help="Folder with the files of a recipe.")] = None,
    allow_noncommercial: Annotated[bool, typer.Option(help="A licence that forbids commercial use is acceptable here.")] = False,
    as_json: Json = False,
) -> None:
    """Read a data set, or all of a concept's, and show the rows it gives and those it drops, with the reasons."""
    intakes = {spec.name: read_dataset(spec, paths.home() / "cache" / "datasets") for spec in _wanted(target, path, allow_noncommercial)}
    _show(intakes, as_json)
    if target in list_concepts() and target not in list_recipes() and not as_json:
        real = Instruments().concept(target).real
        places = ", ".join(f"{source} ({domain}-domain)" for source, domain in domains(real).items())
        Console().print(f"{target}: {real.height} real rows in all; tested on {places}", markup=False, highlight=False, soft_wrap=True)


def _wanted(target: str, path: Path | None, allow_noncommercial: bool) -> tuple[DatasetSpec, ...]:
    changes = {**({"path": str(path)} if path else {}), **({"allow_noncommercial": True} if allow_noncommercial else {})}
    if target in list_recipes():
        return (load_recipe(target).model_copy(update=changes),)
    if target.endswith((".yaml", ".yml")):
        file = Path(target)
        value = read_yaml(file, DataError)
        named = {"name": file.stem, **value} if isinstance(value, dict) and "recipe" not in value else value
        return (resolve(named, str(file), file.parent).model_copy(update=changes),)
    if target in list_concepts() or "/" in target:
        return Instruments().concept(target).datasets
    # Neither: the error names the nearest recipe.
    return (load_recipe(target),)


def _show(intakes: dict[str, Intake], as_json: bool) -> None:
    if as_json:
        for name, intake in intakes.items():
            counts = [dict(zip(("split", "label", "n"), row, strict=True)) for row in intake.counts.rows()]
            report = {"name": name, "license": intake.license, "read": intake.read, "dropped": intake.dropped, "counts": counts}
            typer.echo(json.dumps(report))
        return
    console = Console()
    for name, intake in intakes.items():
        used = f"{name}: {intake.rows.height} of {intake.read} rows are used ({intake.license})"
        console.print(printable(used), markup=False, highlight=False)
        table = _table("split", "label", "rows", "groups")
        groups = intake.rows.group_by("split", "label").agg(pl.len(), pl.col("group").n_unique()).sort("split", "label")
        for row in groups.rows():
            _add(table, *row)
        console.print(table)
        if intake.dropped:
            table = _table("dropped because", "rows")
            for row in intake.dropped.items():
                _add(table, *row)
            console.print(table)


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in ("rows", "groups", "label") else "left")
    return table


def _add(table: Table, *cells: object) -> None:
    table.add_row(*(Text(printable(str(cell))) for cell in cells))
