"""`asteer ui`: Dagster's web interface over the results of a home."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.study import load_study
from asteer_pipeline.cli.options import Home

WORKSPACE = """\
load_from:
  - python_module:
      module_name: asteer_pipeline.definitions
      location_name: asteer
"""


def ui(
    study: Annotated[str, typer.Argument(help="The study whose partitions are shown: a preset or a study file.")] = "quick",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 3000,
    home: Home = None,
) -> None:
    """Open Dagster on http://127.0.0.1:PORT; only this machine can reach it. Ctrl-C ends it."""
    command, environment = ui_command(study, paths.home(home), port)
    Console(stderr=True).print(f"Dagster: http://127.0.0.1:{port} (study {study}; Ctrl-C ends it)", markup=False)
    # Dagster takes this process over, so that signals reach it and its exit code is ours.
    os.execve(command[0], command, environment)


def ui_command(study: str, home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of the web interface, with its instance folder ready.

    Raises:
        ConfigError: the study cannot be read, or the folder cannot be written.
    """
    from asteer_pipeline.instance import make_ready

    chosen = str(Path(study).resolve()) if Path(study).suffix in (".yaml", ".yml") else study
    load_study(chosen, home)
    folder = make_ready(home)
    workspace = folder / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "ASTEER_HOME": str(home), "ASTEER_STUDY": chosen}
    return command, environment
