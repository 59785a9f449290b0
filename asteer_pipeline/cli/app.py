"""The command tree, and how errors and interruptions end a command. Commands themselves live in the neighbours."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from asteer_core.errors import AsteerError
from asteer_pipeline.cli import (
    concepts,
    data,
    detect,
    doctor,
    export,
    judge,
    models,
    optimise,
    pairs,
    preview,
    report,
    score,
    sql,
    study,
    ui,
    vectors,
    warehouse,
)
from asteer_pipeline.cli.terminal import printable

DEBUG = "--debug"
FIXABLE, INTERRUPTED = 2, 130

app = typer.Typer(
    name="asteer",
    help="Does a better steered corpus make a better detector? Studies from contrastive prompts to the metric-AUROC correlation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(study.app, name="study")
app.command("demo")(study.demo)
app.command("ui")(ui.ui)
app.command("doctor")(doctor.doctor)
concepts.app.command("pairs")(pairs.pairs)
app.add_typer(concepts.app, name="concepts")
app.add_typer(models.app, name="models")
app.command("sql")(sql.sql)
app.add_typer(warehouse.app, name="warehouse")
app.command("report")(report.report)
app.command("optimise")(optimise.optimise)
app.command("preview")(preview.preview)
app.command("score")(score.score)
app.command("compare")(score.compare)
app.add_typer(judge.app, name="judge")
app.add_typer(detect.app, name="detect")
app.add_typer(export.app, name="export")
app.add_typer(data.app, name="data")
app.add_typer(vectors.app, name="vectors")


@app.callback()
def options(debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error (anywhere on the line).")] = False) -> None:
    """Take the options that hold for every command."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; an error becomes a message on stderr."""
    debug = DEBUG in arguments or bool(os.environ.get("ASTEER_DEBUG"))
    arguments = [argument for argument in arguments if argument != DEBUG]
    console = Console(stderr=True)
    try:
        app(args=arguments, prog_name="asteer")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except AsteerError as error:
        if debug:
            raise
        console.print(f"[bold red]Error:[/] {escape(printable(str(error)))}", highlight=False, soft_wrap=True)
        return FIXABLE
    return 0
