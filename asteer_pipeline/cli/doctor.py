"""`asteer doctor`: is this machine fit, and what to do where it is not."""

import json
import sys
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape

from asteer_core import paths
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import printable

MARKS = {"fine": "[green]✓[/]", "weak": "[yellow]![/]", "bad": "[red]✗[/]"}
UNFIT = 3


def doctor(
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look at versions, devices, disk, hub, models, concepts and warehouse; each fault comes with its remedy. Exit code 3 = unfit."""
    from asteer_pipeline.doctor import examine

    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 160)
    found = []
    for symptom in examine(paths.home(home)):
        found.append(symptom)
        if not as_json:
            console.print(f"{MARKS[symptom.state]} {symptom.what:14} {escape(printable(symptom.found))}")
            if symptom.remedy:
                console.print(f"  {'':14} [bold]{escape(symptom.remedy)}[/]")
    if as_json:
        print(json.dumps([asdict(symptom) for symptom in found], indent=2))
    if any(symptom.state == "bad" for symptom in found):
        raise typer.Exit(UNFIT)
