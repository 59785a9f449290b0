"""`asteer concepts pairs`: contrastive pairs that a model writes itself."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from asteer_core import paths
from asteer_core.study.pair_making import MadePairs, Making, make_pairs, write_concept, write_pairs
from asteer_core.types import Sampling
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.terminal import printable


def pairs(
    concept: Annotated[str, typer.Argument(help="Name or folder of a concept; its judge decides what is kept.")],
    model: Annotated[str, typer.Option(help="Model that writes the replies; steer the same one.")],
    prompts: Annotated[Path | None, typer.Option(help="JSON lines with `prompt`; default the prompts of the concept's own pairs.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default ASTEER_HOME/pairs/CONCEPT-MODEL.jsonl.")] = None,
    as_name: Annotated[str | None, typer.Option("--as", help="Write a new concept of this name with the made pairs in it.")] = None,
    violating_system: Annotated[list[str] | None, typer.Option(help="System prompt of the violating side; repeat for more.")] = None,
    compliant_system: Annotated[list[str] | None, typer.Option(help="System prompt of the other side; default none.")] = None,
    trait: Annotated[float, typer.Option(help="P(violation) a violating reply must reach; a compliant one stays below 1 - this.")] = 0.5,
    coherence: Annotated[float, typer.Option(help="Coherence that both replies must reach, 0 to 1.")] = 0.3,
    samples: Annotated[int, typer.Option(help="Replies per prompt and side; the judge's surest is taken.")] = 2,
    limit: Annotated[int | None, typer.Option(help="So many prompts; default all.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Longest reply.")] = 96,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a model write contrastive pairs under opposing system prompts, and keep those that the judge agrees with."""
    sampling = Sampling(max_new_tokens=max_new_tokens, min_new_tokens=min(4, max_new_tokens), temperature=0.9, top_p=0.95)
    making = Making(
        violating_systems=tuple(violating_system or ()), compliant_systems=tuple(compliant_system or ()), samples=samples, limit=limit,
        trait=trait, coherence=coherence, sampling=sampling, seed=seed,
    )  # fmt: skip
    root = paths.home(home)
    with shown_progress(Console(stderr=True)) as progress:
        made = make_pairs(
            concept, model, making, prompts=prompts, home=root, progress=lambda done, total: progress("replies", done, total, "")
        )
    written = out or root / "pairs" / f"{made.concept}-{model}.jsonl"
    if as_name is not None:
        written = write_concept(made, concept, as_name, home=root)
    else:
        write_pairs(made, written)
    if as_json:
        record = {"concept": made.concept, "model": model, "asked": made.asked, "kept": made.pairs.height, "dropped": made.dropped}
        typer.echo(json.dumps({**record, "written": str(written), "candidates": str(made.candidates), "reused": made.reused}, indent=2))
        return
    _show(Console(), made, written)


def _show(console: Console, made: MadePairs, written: Path) -> None:
    table = Table(title=f"Pairs of {made.concept} by {made.model}", title_justify="left")
    table.add_column("what", overflow="fold")
    table.add_column("prompts", justify="right")
    table.add_row("asked", str(made.asked))
    for split, count in made.pairs["split"].value_counts(sort=True).rows():
        table.add_row(f"kept, {split}", str(count))
    for reason, count in sorted(made.dropped.items(), key=lambda item: -item[1]):
        table.add_row(f"dropped: {reason}", str(count))
    console.print(table)
    where = "Replies and scores were there already" if made.reused else "All replies with their scores"
    for line in (f"Written: {written}", f"{where}: {made.candidates}"):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
