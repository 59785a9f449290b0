"""`asteer export training-set`: a stored training set as files, and on the Hugging Face hub where asked."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.search.space import NAME
from asteer_core.study import Workspace
from asteer_core.training_set import FORMATS, export, push_to_hub, read_training_set
from asteer_core.training_set.remembered import remembered_study
from asteer_pipeline.cli.options import Home

DEFAULT = ["parquet", "jsonl"]


def training_set(
    concept: Annotated[str, typer.Argument(help="Concept of the set.")],
    model: Annotated[str, typer.Option(help="Model that generated it.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must be new.")],
    formats: Annotated[list[str] | None, typer.Option("--format", help=f"{', '.join(FORMATS)}; may be repeated.")] = None,
    study: Annotated[str, typer.Option(help="Study that was searched; default the one that asteer optimise makes.")] = NAME,
    licence: Annotated[str | None, typer.Option(help="Licence of the generator; default what its model card says.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    push: Annotated[str | None, typer.Option(help="Also upload to this dataset of the hub, owner/name: private and gated.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the repository public. The texts are harmful.")] = False,
    ungated: Annotated[bool, typer.Option("--ungated", help="Let anybody who sees the repository read it.")] = False,
    home: Home = None,
) -> None:
    """Write a training set with its data card, exact configuration and lock."""
    root = paths.home(home)
    ws = Workspace(remembered_study(root, study, concept, model), home=root)
    made = read_training_set(ws, concept, model)
    files = export(ws, made, out, formats or DEFAULT, licence, overwrite)
    console = Console()
    console.print(f"{made.rows.height} rows in {out}:", markup=False, highlight=False, soft_wrap=True)
    for file in files:
        console.print(f"  {file.name}", markup=False, highlight=False)
    console.print("The texts are harmful by design: see README.md before you pass them on.", markup=False, highlight=False)
    if push:
        address = push_to_hub(out, push, private=not public, gated=not ungated)
        console.print(f"Uploaded: {address}", markup=False, highlight=False, soft_wrap=True)
