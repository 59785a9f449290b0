"""`asteer export detector`: the detector that a stored training set makes, as a folder to ship."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.search.space import NAME
from asteer_core.study import Workspace
from asteer_core.training_set import read_training_set, train_detector
from asteer_core.training_set.remembered import remembered_study
from asteer_pipeline.cli.options import Home
from asteer_pipeline.cli.progress import shown_progress


def detector(
    concept: Annotated[str, typer.Argument(help="Concept of the training set.")],
    model: Annotated[str, typer.Option(help="Model that generated it.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must be new.")],
    kind: Annotated[str | None, typer.Option(help="A detector of the study, such as embedding or tfidf; default its headline.")] = None,
    study: Annotated[str, typer.Option(help="Study that was searched; default the one that asteer optimise makes.")] = NAME,
    overwrite: Annotated[bool, typer.Option("--force", help="Replace a detector that is there.")] = False,
    home: Home = None,
) -> None:
    """Train a detector on a training set, test it on the concept's real text, and save it with its model card."""
    root = paths.home(home)
    console = Console(stderr=True)
    with shown_progress(console) as listen:
        ws = Workspace(remembered_study(root, study, concept, model), home=root, progress=listen)
        made = read_training_set(ws, concept, model)
        folder = train_detector(ws, made, kind or ws.study.detectors.headline, out, overwrite=overwrite)
    console.print(f"Saved in {folder}; its card is {folder / 'README.md'}.", markup=False, highlight=False, soft_wrap=True)
    console.print(f"asteer detect --detector {folder} < texts.jsonl", markup=False, highlight=False, soft_wrap=True)
