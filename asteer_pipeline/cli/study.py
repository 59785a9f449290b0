"""`asteer study`: run one, see what it would make, list the presets; and `asteer demo`."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asteer_core import paths
from asteer_core.judges import DryRun
from asteer_core.model.available import available_models
from asteer_core.study import Study, list_presets, load_study, plan
from asteer_core.study.depth import depth_under
from asteer_core.study.estimate import Estimate, cpu_cores, estimate
from asteer_core.study.judge_choice import check_asked_model
from asteer_core.study.judging_costs import expected_judging
from asteer_core.study.plan import Plan
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.results import show_results

app = typer.Typer(help="Run a study, or see what it would make.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a preset (`asteer study list`) or path of a study file.")]
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
    root = paths.home(home)
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
    show_results(Console() if sys.stdout.isatty() else Console(width=120), study, root, rows, command=_with_home(f"asteer ui {name}", home))


def demo(home: Home = None) -> None:
    """Run the quick study on the embedded models, from nothing to the table; minutes on two cores."""
    run("quick", home)


@app.command("resume")
def resume(name: Name = "quick", home: Home = None) -> None:
    """Go on with a study that was interrupted: say what is kept, then make the rest. The same as `run`."""
    show_status(name, home)
    run(name, home)


@app.command("status")
def show_status(
    name: Name = "quick",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say, stage by stage, what is finished, and what is missing or stale; nothing is made."""
    from asteer_core.study.status import status

    root = paths.home(home)
    study = load_study(name, root)
    rows = status(study, root)
    if as_json:
        print(json.dumps({"study": study.name, "stages": [asdict(row) for row in rows]}, indent=2))
        return
    table = Table(
        "stage", "current", "stale", "missing", "of", box=None, title=escape(f"Study {study.name} in {root}"), title_justify="left"
    )
    for row in rows:
        colour = "green" if row.current == row.partitions else "yellow" if row.current else "dim"
        table.add_row(f"[{colour}]{row.stage}[/]", *(f"{count:,}" for count in (row.current, row.stale, row.missing, row.partitions)))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@app.command("init")
def init(
    file: Annotated[Path, typer.Argument(help="The file to write; its name becomes the study's.")] = Path("study.yaml"),
    preset: Annotated[str, typer.Option(help="The preset whose values it begins with.")] = "quick",
) -> None:
    """Write a commented study file to start from."""
    from asteer_core.study.template import write_template

    path = write_template(file, preset)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{path} is written; edit it, then:", markup=False)
    console.print(f"[bold]asteer study plan {escape(str(path))}[/]   what it will make and take")
    console.print(f"[bold]asteer study run {escape(str(path))}[/]")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of a study file, for editors."""
    from asteer_core.study.template import json_schema

    print(json.dumps(json_schema(), indent=2))


@app.command("plan")
def show_plan(
    name: Name = "quick",
    home: Home = None,
    keys: Annotated[bool, typer.Option("--keys", help="Print the configuration keys, one a line, and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a study would make and take, without making it."""
    root = paths.home(home)
    study = load_study(name, root)
    check_asked_model(study.judge, study.name, study.models, available_models(root, paths.data_root()).get)
    planned = plan(study, depth_under(root))
    console = Console()
    cost = estimate(study, planned, root, cpu_cores())
    judging = expected_judging(study, cost.responses, root)
    if as_json:
        counts = {"concepts": planned.concepts, "models": planned.models, "configurations": len(planned.pairs)}
        judged = {"judge": study.judge.kind, "judging": None if judging is None else asdict(judging)}
        print(json.dumps({"study": study.name, **counts, "embedding": study.metrics.embedding, **judged, **asdict(cost)}, indent=2))
        return
    if keys:
        for key in planned.configuration_keys:
            console.print(key, markup=False, highlight=False, soft_wrap=True)
        return
    console.print(_plan_table(study, planned, cost, judging, root))


@app.command("list")
def show_presets(as_json: Json = False) -> None:
    """List the studies that ship."""
    if as_json:
        print(json.dumps([{"name": name, "description": load_study(name).description.strip()} for name in list_presets()], indent=2))
        return
    table = Table("name", "what it is", box=None)
    for name in list_presets():
        table.add_row(name, escape(load_study(name).description.strip()))
    Console().print(table)


def _plan_table(study: Study, planned: Plan, cost: Estimate, judging: DryRun | None, root: Path) -> Table:
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
    table.add_row("responses", f"{cost.responses:,}", f"baselines included, at most {study.sampling.max_new_tokens} tokens each")
    table.add_row("tokens", f"about {cost.tokens:,}", "")
    if study.metrics.embedding == "static":
        once = "distilled into this home first, once" if cost.distils else "a table of them is in this home"
        table.add_row("embeddings", "static", f"behind set diversity; {once}")
    if judging is not None:
        table.add_row(f"calls of the judge {study.judge.kind}", f"{judging.calls:,}", _price(study, judging))
    for training in cost.training:
        what = f"each configuration and baseline x {training.seeds} seed{'s' * (training.seeds > 1)}: {_duration(training.seconds)}"
        table.add_row(escape(f"trainings of {training.detector}"), f"{training.fits:,}", what)
    table.add_row("time", _duration(cost.seconds), f"going by {cost.basis}")
    table.add_row("disk", f"about {cost.disk / 1e6:,.0f} MB", escape(str(root)))
    return table


def _price(study: Study, judging: DryRun) -> str:
    tokens = f"at most {judging.input_tokens:,} tokens in and {judging.output_tokens:,} out"
    calls, budget = (study.judge.options.get(name) for name in ("max_calls", "budget"))
    short = f"; more than max_calls of {calls:,}" if calls is not None and judging.calls > calls else ""
    if judging.dollars is None:
        return f"{tokens}; give input_price and output_price to see dollars{short}"
    short += f"; more than the budget of {budget:,}" if budget is not None and judging.dollars > budget else ""
    return f"{tokens}: at most {judging.dollars:,.2f} dollars{short}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"about {seconds / 3600:.1f} h" if seconds > 5400 else f"about {max(1, round(seconds / 60))} min"


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
