"""Options that many commands take, declared once. What does not belong here: an option of one command."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None, typer.Option(help="Folder of results, caches and your own concepts and models; default ASTEER_HOME, else ./.asteer.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
