"""`asteer detect`: score text with a saved detector, and save one from a study."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core.detectors.persistence import threshold as choose
from asteer_core.errors import ConfigError
from asteer_core.study import Workspace, load_study
from asteer_core.study.detected_rows import detect_rows
from asteer_core.study.detecting import TextDetector, load_detector
from asteer_core.study.shipping import ship
from asteer_pipeline.cli.options import Home
from asteer_pipeline.cli.progress import shown_progress

app = typer.Typer(name="detect", help="Score text with a saved detector: JSON lines in, JSON lines out.", invoke_without_command=True)


@app.callback()
def detect(
    context: typer.Context,
    detector: Annotated[Path | None, typer.Option(help="Folder of a saved detector.")] = None,
    fpr: Annotated[float, typer.Option(help="Flag at most this share of the validation negatives that are stored with it.")] = 0.01,
    threshold: Annotated[float | None, typer.Option(help="Flag scores from here on, instead of --fpr.")] = None,
    source: Annotated[typer.FileText | None, typer.Option("--input", help="JSON lines; default standard input.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad line; else its error stands in its place.")] = False,
    home: Home = None,
) -> None:
    """Read JSON lines with `response` (or `text`) and optionally `prompt`; write `row`, `score` and `label` for each."""
    if context.invoked_subcommand:
        return
    if detector is None:
        raise ConfigError("name a detector: asteer detect --detector PATH < texts.jsonl; asteer detect train saves one from a study")
    loaded, console = load_detector(detector, home), Console(stderr=True)
    limit = _chosen(loaded, fpr, console) if threshold is None else threshold
    lines = source if source is not None else sys.stdin
    rows, bad = 0, []
    for row in detect_rows(lines, loaded, limit, strict=strict):
        typer.echo(json.dumps(row, ensure_ascii=False))
        rows += 1
        if "error" in row:
            bad.append(row["row"])
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        console.print(f"{len(bad)} of {rows} lines have no score: {shown}; see `error` in each", highlight=False, soft_wrap=True)


def _chosen(loaded: TextDetector, fpr: float, console: Console) -> float:
    found = choose(loaded.saved, fpr)
    console.print(
        f"threshold {found['threshold']:.4f}: {found['reached']:.2%} of {found['n_negatives']} validation negatives are at or above it "
        f"(95 %: up to {found['fpr_hi']:.2%} of others like them)",
        highlight=False,
        soft_wrap=True,
    )
    return found["threshold"]


@app.command()
def train(
    concept: Annotated[str, typer.Argument(help="A concept of the study.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    configuration: Annotated[str, typer.Argument(help="Key such as llama-3m:caa:L01:s0.60; `best` by validation.")] = "best",
    kind: Annotated[str | None, typer.Option(help="A detector of the study; default its headline.")] = None,
    study: Annotated[str | None, typer.Option(help="Preset or study file; default ASTEER_STUDY, else quick.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a detector that is there.")] = False,
    home: Home = None,
) -> None:
    """Train the detector of one configuration of a finished study again and save it with its model card."""
    console = Console(stderr=True)
    with shown_progress(console) as listen:
        ws = Workspace(load_study(study), home, progress=listen)
        folder = ship(ws, concept, configuration, kind or ws.study.detectors.headline, out, overwrite=force)
    console.print(f"Saved in {folder}; its card is {folder / 'README.md'}.", markup=False, highlight=False, soft_wrap=True)
    console.print(f"asteer detect --detector {folder} < texts.jsonl", markup=False, highlight=False, soft_wrap=True)
