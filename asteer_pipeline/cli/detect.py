"""`asteer detect`: score text with a saved detector, see one, and test one. Not here: training (`detector_training.py`)."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from asteer_core.detectors.persistence import read_detector
from asteer_core.detectors.persistence import threshold as choose
from asteer_core.errors import ConfigError, DataError
from asteer_core.study.detected_rows import ScoredRow, detect_rows
from asteer_core.study.detecting import TextDetector, load_detector
from asteer_core.study.file_training import quality_on
from asteer_core.study.labelled import read_labelled
from asteer_core.study.text_rows import Form, Record, file_records, stream_records
from asteer_pipeline.cli.detector_tables import quality_table, shown_card
from asteer_pipeline.cli.detector_training import LABELLED, train, train_on_file
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import printable


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            known = ", ".join(self.list_commands(ctx))
            raise ConfigError(
                f"asteer detect has no command {args[0]!r}; name a detector with --detector and texts with --input, or give one of: {known}"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="detect", help="Score text with a saved detector; see, test and train detectors.", invoke_without_command=True, cls=_Commands
)

Rate = Annotated[
    float | None,
    typer.Option(help="Flag at most this share of its validation negatives; default .01, or one of them if fewer than 100."),
]
Limit = Annotated[float | None, typer.Option(help="Flag scores from here on, instead of --fpr.")]
Folder = Annotated[Path, typer.Argument(help="Folder of a saved detector.")]


@app.callback()
def detect(
    context: typer.Context,
    detector: Annotated[Path | None, typer.Option(help="Folder of a saved detector.")] = None,
    source: Annotated[Path | None, typer.Option("--input", help="A .jsonl, .txt, .json, .csv or .parquet file; default stdin.")] = None,
    form: Annotated[Form, typer.Option("--format", help="jsonl, or text: one text per line. auto: by the file's ending.")] = "auto",
    fpr: Rate = None,
    threshold: Limit = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad line; else its error stands in its place.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on a terminal too; a pipe or file gets them anyway.")] = False,
    home: Home = None,
) -> None:
    """Score rows with `response` (or `text`) and optionally `prompt`, `id`: a line out for each, with `row`, `score` and `label`."""
    if context.invoked_subcommand:
        return
    if detector is None:
        raise ConfigError("name a detector: asteer detect --detector PATH < texts.jsonl; asteer detect train saves one from a study")
    console = Console(stderr=True)
    loaded = load_detector(detector, home)
    limit = _limit(loaded, fpr, threshold, console)
    records = _stream(console, form) if source is None else file_records(source, form)
    as_lines = as_json or not sys.stdout.isatty()
    shown, rows, bad, flagged = Console(), 0, [], 0
    for row in detect_rows(records, loaded, limit, strict=strict):
        if as_lines:
            typer.echo(json.dumps(row.record(), ensure_ascii=False))
        else:
            _show(shown, row)
        rows, flagged = rows + 1, flagged + (row.label or 0)
        bad += [row] if row.error else []
    _sum_up(console, source, rows, bad, flagged)


def _stream(console: Console, form: Form) -> Iterable[Record]:
    if sys.stdin.isatty():
        what = "a text per line" if form == "text" else 'lines such as {"response": "..."}'
        console.print(f"Reading {what} from the terminal; end with Ctrl-D.", markup=False, highlight=False)
    return stream_records(getattr(sys.stdin, "buffer", sys.stdin), form)


def _limit(loaded: TextDetector, fpr: float | None, threshold: float | None, console: Console) -> float:
    """Return the threshold asked for, or the one of a rate, about which a line is printed."""
    if threshold is not None:
        if fpr is not None:
            raise ConfigError("--fpr and --threshold are two ways to say from which score on a text is flagged; give one of them")
        if not 0 <= threshold <= 1:
            raise ConfigError(f"--threshold {threshold}; expected a score from 0 to 1")
        return threshold
    found = choose(loaded.saved, fpr)
    _say(
        console,
        f"threshold {found['threshold']:.4f}: {found['reached']:.2%} of {found['n_negatives']} validation negatives are at or above it "
        f"(95 %: up to {found['fpr_hi']:.2%} of others like them)",
    )
    return found["threshold"]


def _show(console: Console, row: ScoredRow) -> None:
    name = printable(str(row.row if row.id is None else row.id))
    if row.error:
        line = f"[yellow]{escape(name):>6}  no score: {escape(printable(row.error))}[/]"
    else:
        colour, word = ("red", "flagged") if row.label else ("dim", "       ")
        line = f"{escape(name):>6}  [{colour}]{row.score:.3f}  {word}[/]  {escape(printable(' '.join((row.text or '').split())))}"
    console.print(line, highlight=False, no_wrap=True, overflow="ellipsis", crop=True)


def _sum_up(console: Console, source: Path | None, rows: int, bad: list[ScoredRow], flagged: int) -> None:
    where = source or "standard input"
    if not rows:
        _say(console, f"{where}: nothing to score, no line has any text")
        return
    if len(bad) == rows:
        raise DataError(f"{where}: none of {rows} lines has a score; line {bad[0].row}: {bad[0].error}. For plain text say --format text")
    good = rows - len(bad)
    _say(console, f"{flagged} of {good} texts flagged ({flagged / good:.1%})")
    if bad:
        listed = ", ".join(str(row.row) for row in bad[:10]) + (", …" if len(bad) > 10 else "")
        _say(console, f"{len(bad)} of {rows} lines have no score: {listed}; see `error` in each")


def _say(console: Console, line: str) -> None:
    console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


@app.command("show")
def show(detector: Folder, as_json: Json = False) -> None:
    """Show what a detector was trained on, how good it is, and its threshold by false-positive rate."""
    saved = read_detector(detector)
    console = Console()
    console.print(shown_card(saved, as_json), markup=False, highlight=False, soft_wrap=True)


@app.command("test")
def measure(
    detector: Folder,
    file: Annotated[Path, typer.Argument(help=LABELLED)],
    fpr: Rate = None,
    threshold: Limit = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Test a detector on labelled rows of your own: AUROC and the other measures, and what its threshold does there."""
    rows, loaded, console = read_labelled(file), load_detector(detector, home), Console(stderr=True)
    found = quality_on(rows, loaded, _limit(loaded, fpr, threshold, console))
    if as_json:
        print(json.dumps({"detector": loaded.card.name, "file": str(file), **found}, indent=2))
        return
    Console().print(quality_table(f"{loaded.card.name} on {file}", found))


app.command("train")(train)
app.command("train-on")(train_on_file)
