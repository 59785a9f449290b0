"""`asteer vectors`: list, show, import and export steering vectors."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core.study.exchange import Shelved, export_vectors, find_vectors, import_vectors, list_vectors
from asteer_core.vector_files import Directions, load_vectors, read_directions
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import number, printable

app = typer.Typer(help="List, show, import and export steering vectors.", no_args_is_help=True)

Vectors = Annotated[str, typer.Argument(help="A file, or a name that `asteer vectors list` shows.")]
TURNED = 0.5


@app.command("list")
def show_list(home: Home = None, as_json: Json = False) -> None:
    """List the vectors of a home: imported ones, and those that studies found."""
    shelved = list_vectors(home)
    if as_json:
        _print_json([_summary(one) for one in shelved])
        return
    console = Console()
    if not shelved:
        console.print(
            "No vectors here yet. A study makes some (`asteer study run`), or `asteer vectors import` brings some.", soft_wrap=True
        )
        return
    table = _table("name", "concept", "model", "method", "blocks", "separation")
    for one in shelved:
        row = _summary(one)
        if one.vectors is None:
            table.add_row(*map(Text, (one.name, "broken", "", "", "", "")))
            continue
        best = max((value for value in row["separation"].values() if value is not None), default=None)
        shown = (one.name, row["concept"], row["model"], row["method"], ", ".join(map(str, row["blocks"])), number(best))
        table.add_row(*(Text(printable(text)) for text in shown))
    console.print(table)
    for one in shelved:
        if one.problem:
            console.print(printable(one.problem), markup=False, highlight=False, soft_wrap=True)


@app.command("show")
def show(vectors: Vectors, home: Home = None, as_json: Json = False) -> None:
    """Show the card of a vector file, ours or another tool's: blocks, norms, evidence, origin."""
    path = find_vectors(vectors, home)
    found = read_directions(path)
    record = _own_card(path) if found.form == "asteer" else _foreign_card(found)
    if as_json:
        _print_json(record)
        return
    console = Console()
    _print_card(console, record)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .gguf control vector or a .safetensors file; found by content, not by name.")],
    concept: Annotated[str, typer.Option(help="Concept whose held-out pairs say what the direction is worth.")],
    model: Annotated[str, typer.Option(help="Model of models.yaml that the vectors are for.")],
    name: Annotated[str | None, typer.Option(help="What they are called from then on; default the file's name.")] = None,
    shift: Annotated[int, typer.Option(help="Added to the blocks of the file; -1 for files of llama.cpp's cvector-generator.")] = 0,
    flip: Annotated[bool, typer.Option("--flip", help="Turn the directions round: they point away from violation.")] = False,
    other_weights: Annotated[bool, typer.Option("--other-weights", help="Take a file that names other weights.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite vectors of that name.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Import vectors of another tool, and measure what they are worth on a concept's held-out pairs."""
    made = import_vectors(file, concept, model, name=name, home=home, shift=shift, flip=flip, other_weights=other_weights, replace=replace)
    record = _own_card(made.path)
    if as_json:
        _print_json(record)
        return
    console = Console()
    _print_card(console, record)
    turned = [block["block"] for block in record["blocks"] if block["separation"] is not None and block["separation"] < TURNED]
    if turned:
        where = ", ".join(map(str, turned))
        console.print(f"At blocks {where} the direction points away from violation: import with --flip, or leave them out.", soft_wrap=True)
    console.print(f"In a study: - {{method: imported, options: {{path: {made.name}}}, layers: [...], strengths: [...]}}", soft_wrap=True,
                  markup=False, highlight=False)  # fmt: skip


@app.command("export")
def export(
    vectors: Vectors,
    target: Annotated[Path, typer.Argument(help="The file to write: .gguf (llama.cpp, repeng) or .safetensors.")],
    strength: Annotated[float, typer.Option(help="Strength that another tool's scale 1 shall mean.")] = 1.0,
    unit: Annotated[bool, typer.Option("--unit", help="Write unit directions, without the size of the residual stream.")] = False,
    block: Annotated[list[int] | None, typer.Option(help="Block to write; repeat for more, default all.")] = None,
    model_hint: Annotated[str | None, typer.Option(help="Architecture named in a .gguf, such as llama; default the model's.")] = None,
    home: Home = None,
) -> None:
    """Export vectors for llama.cpp, repeng or anything that reads safetensors."""
    blocks = export_vectors(
        find_vectors(vectors, home), target, strength=strength, unit=unit, blocks=block, model_hint=model_hint, home=home
    )
    meaning = "unit directions" if unit else f"scale 1 is strength {strength:g}"
    console = Console()
    console.print(f"{target}: blocks {', '.join(map(str, blocks))}; {meaning}.", markup=False, highlight=False, soft_wrap=True)
    if target.suffix == ".gguf":
        hint = f"llama-cli -m MODEL.gguf --control-vector-scaled {target}:1 --control-vector-layer-range {blocks[0]} {blocks[-1]}"
        console.print(f"For example: {hint}", markup=False, highlight=False, soft_wrap=True)


def _summary(one: Shelved) -> dict[str, Any]:
    vectors = one.vectors or {}
    first = next(iter(vectors.values()), None)
    owner = {name: getattr(first, name, None) for name in ("concept", "model", "method")}
    separations = {str(block): vector.separation for block, vector in vectors.items()}
    return {"name": one.name, "path": str(one.path), **owner, "blocks": sorted(vectors), "separation": separations, "problem": one.problem}


def _own_card(path: Path) -> dict[str, Any]:
    vectors = load_vectors(path)
    first = next(iter(vectors.values()))
    blocks = [
        {
            "block": vector.block, "scale": vector.scale, "separation": vector.separation, "cosine": vector.cosine_to_mean_difference,
            "norm_in_file": vector.metadata.get("norm_in_file"), "extras": sorted(vector.extras),
        }
        for vector in vectors.values()
    ]  # fmt: skip
    metadata = {name: value for name, value in first.metadata.items() if name != "norm_in_file"}
    owner = {name: getattr(first, name) for name in ("concept", "model", "method")}
    return {"path": str(path), "form": "asteer", **owner, "width": len(first.direction), "blocks": blocks, "metadata": metadata}


def _foreign_card(found: Directions) -> dict[str, Any]:
    blocks = [{"block": block, "norm_in_file": found.norm(block)} for block in found.by_block]
    return {
        "path": found.source, "form": found.form, "model_hint": found.model_hint, "width": found.width, "blocks": blocks,
        "zero_blocks": list(found.zero_blocks), "metadata": found.facts,
    }  # fmt: skip


def _print_card(console: Console, record: dict[str, Any]) -> None:
    own = record["form"] == "asteer"
    head = f"{record['concept']} on {record['model']}, method {record['method']}" if own else f"{record['form']} file"
    hint = "" if own else f", for {record['model_hint'] or 'a model it does not name'}"
    console.print(printable(f"{head}{hint}; width {record['width']}"), markup=False, highlight=False, soft_wrap=True)
    columns = {
        "block": "block",
        "scale": "residual norm",
        "separation": "separation",
        "cosine": "cosine to CAA",
        "norm_in_file": "norm in file",
    }
    shown = [name for name in columns if any(block.get(name) is not None for block in record["blocks"])]
    table = _table(*(columns[name] for name in shown))
    for block in record["blocks"]:
        table.add_row(*(str(block[name]) if name == "block" else number(block.get(name)) for name in shown))
    console.print(table)
    if record.get("zero_blocks"):
        console.print(f"Zeros, so no direction: blocks {', '.join(map(str, record['zero_blocks']))}.", highlight=False)
    for name, value in record["metadata"].items():
        if value not in (None, {}, ""):
            console.print(printable(f"{name}: {value}"), markup=False, highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="left" if place == 0 else "right")
    return table


def _print_json(value: Any) -> None:
    # ASCII, so that no character of a file can drive the terminal.
    typer.echo(json.dumps(value, indent=2, allow_nan=False, default=str))
