"""`asteer detect train` and `train-on`: a detector saved from a study, or trained on a labelled file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from asteer_core.detectors.persistence import read_card
from asteer_core.errors import ConfigError
from asteer_core.study import Workspace, load_study
from asteer_core.study.file_training import train_on
from asteer_core.study.labelled import read_labelled
from asteer_core.study.shipping import ship
from asteer_pipeline.cli.detector_tables import quality_table
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.terminal import printable

LABELLED = "Rows with `response` (or `text`), `label` 0 or 1, and optionally `prompt`, `group`, `split`: .jsonl, .json, .csv, .parquet."

Force = Annotated[bool, typer.Option("--force", help="Replace a detector that is there.")]
Out = Annotated[Path, typer.Option(help="Folder to write; must be new.")]


def train(
    concept: Annotated[str, typer.Argument(help="A concept of the study.")],
    out: Out,
    configuration: Annotated[str, typer.Argument(help="Key such as llama-3m:caa:L01:s0.60; `best` by validation.")] = "best",
    kind: Annotated[str | None, typer.Option(help="A detector of the study; default its headline.")] = None,
    study: Annotated[str | None, typer.Option(help="Preset or study file; default ASTEER_STUDY, else quick.")] = None,
    force: Force = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Train the detector of one configuration of a finished study again and save it with its model card."""
    with shown_progress(Console(stderr=True)) as listen:
        ws = Workspace(load_study(study), home, progress=listen)
        folder = ship(ws, concept, configuration, kind or ws.study.detectors.headline, out, overwrite=force)
    _saved(folder, as_json)


def train_on_file(
    file: Annotated[Path, typer.Argument(help=LABELLED)],
    out: Out,
    kind: Annotated[str, typer.Option(help="tfidf, embedding, encoder, activation_probe, or a plug-in's.")] = "embedding",
    option: Annotated[list[str] | None, typer.Option(help="Option of the kind, such as epochs=3.")] = None,
    violation: Annotated[str, typer.Option(help="What label 1 means, for the card.")] = "violation",
    seed: Annotated[int, typer.Option(help="Of the split and of the training.")] = 0,
    force: Force = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Train a detector on labelled rows of your own; without a `split` column 70, 15 and 15 % of the groups train, choose and test."""
    rows, options = read_labelled(file), dict(_option(one) for one in option or [])
    with shown_progress(Console(stderr=True)) as listen:
        folder = train_on(
            rows, kind, options, out, violation=violation, home=home, seed=seed, overwrite=force,
            on_progress=lambda done, total, note: listen("fine_tuning", done, total, note),
        )  # fmt: skip
    _saved(folder, as_json)


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--option {text!r}; expected name=value, such as epochs=3")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--option {name}: {value[:40]!r} is not YAML; expected a number, a word, or a list such as [1, 2]") from None


def _saved(folder: Path, as_json: bool) -> None:
    card = read_card(folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **card.model_dump(mode="json")}, indent=2))
        return
    console = Console(stderr=True)
    for result in card.results:
        Console().print(quality_table(f"{card.name} on {result.test_set} ({result.domain} of domain)", result.measures))
    for line in (f"Saved in {folder}; its card is {folder / 'README.md'}.", f"asteer detect --detector {folder} < texts.jsonl"):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
