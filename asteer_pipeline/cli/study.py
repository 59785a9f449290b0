"""`asteer study`: run one, see what it would make, list the presets; and `asteer demo`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asteer_core import paths
from asteer_core.study import Study, list_presets, load_study, plan
from asteer_core.study.depth import depth_under
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.results import show_results

app = typer.Typer(help="Run a study, or see what it would make.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a preset (`asteer study list`) or path of a study file.")]
Home = Annotated[Path | None, typer.Option(help="Folder for results; default ASTEER_HOME, else ./.asteer.")]
INTERRUPTED = 130


@app.command("run")
def run(
    name: Name = "quick",
    home: Home = None,
    rows: Annotated[int, typer.Option(help="Configurations shown per concept at the end; 0 = all.")] = 15,
) -> None:
    """Make everything in a study, adopting what is stored, and show what came out."""
    # Dagster takes half a second to import, which the other commands do not need.
    from asteer_pipeline.resources import close_workspaces
    from asteer_pipeline.runner import Interrupted, run_study

    console = Console(stderr=True)
    root = (home or paths.home()).resolve()
    study = load_study(name, root)
    console.print(_headline(study, root), highlight=False)
    started = time.monotonic()
    try:
        with shown_progress(console) as progress:
            run_study(name, root, progress)
    except (Interrupted, KeyboardInterrupt) as interrupt:
        kept = getattr(interrupt, "kept", {})
        console.print(_farewell(name, home, kept), highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        close_workspaces()
    console.print(f"Finished in {time.monotonic() - started:.0f} s.", highlight=False)
    show_results(Console() if sys.stdout.isatty() else Console(width=120), study, root, rows, command=_with_home("asteer ui", home))


def demo(home: Home = None) -> None:
    """Run the quick study on the embedded models, from nothing to the table; minutes on two cores."""
    run("quick", home)


@app.command("plan")
def show_plan(
    name: Name = "quick",
    keys: Annotated[bool, typer.Option("--keys", help="Print the configuration keys, one a line, and nothing else.")] = False,
) -> None:
    """Say what a study would make, without making it."""
    study = load_study(name)
    planned = plan(study)
    console = Console()
    if keys:
        for key in planned.configuration_keys:
            console.print(key, markup=False, highlight=False, soft_wrap=True)
        return
    each = study.size.prompts * study.size.samples
    table = Table(title=escape(f"Study {study.name}"), title_justify="left", caption_justify="left")
    table.add_column("what")
    table.add_column("partitions", justify="right")
    table.add_column("of")
    table.add_row("concepts", str(len(planned.concepts)), escape(", ".join(planned.concepts)))
    table.add_row("models", str(len(planned.models)), escape(", ".join(planned.models)))
    table.add_row("steering vectors", str(len(planned.vectors)), f"{len(planned.vector_keys)} per concept")
    table.add_row("baselines", str(len(planned.cells)), "concept x model: unsteered, prompted, random directions")
    table.add_row("configurations", str(len(planned.pairs)), f"{len(planned.configuration_keys)} per concept, {each} responses each")
    table.add_row("steered responses", f"{len(planned.pairs) * each:,}", f"at most {study.sampling.max_new_tokens} tokens each")
    console.print(table)


@app.command("list")
def show_presets() -> None:
    """List the studies that ship."""
    table = Table("name", "what it is", box=None)
    for name in list_presets():
        table.add_row(name, escape(load_study(name).description.strip()))
    Console().print(table)


def _headline(study: Study, root: Path) -> str:
    planned = plan(study, depth_under(root))
    counts = f"{len(planned.concepts)} concepts x {len(planned.models)} models, {len(planned.pairs)} configurations and their baselines"
    return f"[bold]Study {escape(study.name)}[/]: {counts}. Ctrl-C keeps what is finished."


def _farewell(name: str, home: Path | None, kept: dict[str, tuple[int, int]]) -> str:
    recorded = [f"{stage} {have}/{total}" for stage, (have, total) in kept.items() if have]
    what = f"Kept: {', '.join(recorded)}." if recorded else "Everything finished is kept."
    return f"\nInterrupted. {what}\nGo on with: [bold]{escape(_with_home(f'asteer study run {name}', home))}[/]"


def _with_home(command: str, home: Path | None) -> str:
    return f"{command} --home {home}" if home and str(home) != os.environ.get("ASTEER_HOME") else command
