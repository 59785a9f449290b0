"""What commands that ask a judge share: the option that names it, what asking takes, and how far it is.

What does not belong here: judges, and any one command.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from asteer_core.judges import DryRun
from asteer_pipeline.cli.progress import shown_progress

JudgeName = Annotated[
    str | None,
    typer.Option("--judge", help="embedded (default), or a YAML file with `kind` and options, such as a study file: its `judge` is taken."),
]
OnlyCosts = Annotated[bool, typer.Option("--dry-run", help="Say how many calls, tokens and dollars the judge takes; nothing is asked.")]


@contextmanager
def asking(judge: str | None) -> Iterator[Callable[[int, int], None]]:
    """Yield a listener that shows how many questions are answered; the embedded judge asks none."""
    with shown_progress(Console(stderr=True)) as progress:
        yield lambda done, total: progress("judge", done, total, f"asking {judge}")


def show_costs(costs: DryRun | None, as_json: bool = False) -> None:
    """Print what a judge takes."""
    if as_json:
        typer.echo(json.dumps(None if costs is None else asdict(costs)))
        return
    if costs is None:
        typer.echo("This judge costs nothing to ask.")
        return
    price = "unknown without input_price and output_price" if costs.dollars is None else f"about {costs.dollars:,.4f} dollars"
    typer.echo(
        f"{costs.calls:,} calls for {costs.texts:,} responses ({costs.cached:,} are in the cache, {costs.repeated:,} stand twice): at most "
        f"{costs.input_tokens:,} tokens in, {costs.output_tokens:,} out; {price}. Nothing was sent."
    )
