"""`asteer judge`: how well a concept's judge agrees with people, and the page on which people grade."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core.judges import calibrate as agreement
from asteer_core.judges.calibration import read_labels
from asteer_core.judges.review import Rubric, read_review, write_review
from asteer_core.study.corpus_file import Columns, read_corpora
from asteer_core.study.instruments import Instruments
from asteer_core.study.judge_choice import read_judge
from asteer_pipeline.cli.judging import JudgeName, OnlyCosts, asking, show_costs
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import interval, number, printable

app = typer.Typer(name="judge", help="Compare a concept's judge with labels, and make labels.", no_args_is_help=True)

FIGURES = {
    "judge_model": "model", "n": "labelled rows with a verdict", "n_null": "labelled rows without a verdict", "n_positive": "violating",
    "auroc": "AUROC, out of fold", "brier": "Brier score, out of fold", "ece": "calibration error, out of fold",
    "n_groups": "prompt groups",
    "trust_remote_code": "code of its source is run",
}  # fmt: skip
"""What the figures of a judge are called."""

Concept = Annotated[str, typer.Option(help="A concept's name, or the path of its folder.")]


@app.command()
def calibrate(
    file: Annotated[
        Path, typer.Argument(help="prompt, response, label (0/1 or 0/1/2), optionally stratum and group: .jsonl, .csv, .parquet.")
    ],
    concept: Concept,
    grades: Annotated[Path | None, typer.Option(help="What the review page of FILE saved; its grades are the labels.")] = None,
    judge: JudgeName = None,
    dry_run: OnlyCosts = False,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all columns as JSON lines.")] = False,
) -> None:
    """Weighted kappa of the judge with labels, per stratum, with 95 % bootstrap intervals."""
    tools = Instruments(home)
    labelled = read_labels(file if grades is None else read_review(grades, _rows(file)))
    choice = read_judge(judge)
    if dry_run:
        show_costs(tools.judging(concept, choice, labelled["response"].to_list(), labelled["prompt"].to_list()), as_json)
        return
    with asking(judge) as listener, tools.judge_tools.heard_by(listener):
        table = agreement(labelled, tools.judge(concept, choice), embed=tools.embed)
    if as_json:
        typer.echo(table.write_ndjson(), nl=False)
        return
    shown = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(("stratum", "weights", "n", "no verdict", "agreement", "kappa [95 %]", "bounds")):
        shown.add_column(name, overflow="fold", justify="left" if place < 2 else "right")
    for row in table.iter_rows(named=True):
        kappa = interval(row["kappa"], row["lo"], row["hi"])
        bounds = f"{number(row['kappa_lowest'])} to {number(row['kappa_highest'])}" if row["n_null"] else ""
        cells = (row["stratum"], row["weights"], str(row["n"]), str(row["n_null"]), number(row["agreement"]), kappa, bounds)
        shown.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console()
    console.print(shown)
    for row in table.filter(pl.col("reason").is_not_null()).iter_rows(named=True):
        console.print(printable(f"{row['stratum']}, {row['weights']}: {row['reason']}"), markup=False, highlight=False)


@app.command()
def check(
    concept: Annotated[str, typer.Argument(help="A concept's name, or the path of its folder.")],
    judge: JudgeName = None,
    dry_run: OnlyCosts = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Try a judge on the labelled rows of a concept (judge.jsonl): how it ranks them, and how far its probabilities are off."""
    tools, choice = Instruments(home), read_judge(judge)
    if dry_run:
        show_costs(tools.judging(concept, choice, [], []), as_json)
        return
    with asking(judge) as listener, tools.judge_tools.heard_by(listener):
        report = {"concept": tools.concept(concept).name, "judge": choice.kind, **tools.judge(concept, choice).report}
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    shown = Table(box=SIMPLE, show_edge=False, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in report.items():
        label = FIGURES.get(name, name.replace("mean_", "mean probability of kind "))
        shown.add_row(Text(printable(label)), Text(number(value) if isinstance(value, float) else printable(str(value))))
    Console().print(shown)


@app.command()
def review(
    file: Annotated[Path, typer.Argument(help="Prompts and responses: .jsonl, .json (a list), .csv or .parquet.")],
    concept: Concept,
    out: Annotated[Path, typer.Option(help="The page, one HTML file that needs no connection.")],
    prompt_column: Annotated[str, typer.Option(help="Column of the prompts.")] = "prompt",
    response_column: Annotated[str, typer.Option(help="Column of the responses.")] = "response",
    seed: Annotated[int, typer.Option(min=0, help="Of the order in which responses are shown.")] = 0,
) -> None:
    """Write a page on which responses are graded, blind and from the keyboard."""
    rows = _rows(file, Columns(prompt_column, response_column))
    shown = write_review(out, rows, Rubric.of(Instruments().concept(concept)), np.random.default_rng(seed))
    console = Console()
    console.print(f"{shown} responses in {out}; open it in a browser, and press E to save the grades.", markup=False, soft_wrap=True)
    following = f"asteer judge calibrate {json.dumps(str(file))} --concept {concept} --grades GRADES"
    console.print(f"Then: {following}", markup=False, highlight=False, soft_wrap=True)


def _rows(file: Path, columns: Columns | None = None) -> pl.DataFrame:
    """Return prompt and response of each row, with its configuration, where it has one, as stratum."""
    corpora = read_corpora(file, columns)
    frames = [
        pl.DataFrame({"prompt": corpus.prompts, "response": corpus.responses}).with_columns(
            pl.lit(corpus.configuration, pl.String).alias("stratum")
        )
        for corpus in corpora
    ]
    return pl.concat(frames)
