"""`asteer sql`: SELECTs over the warehouse, at a prompt, from the line or from a file; as a table, CSV, JSON lines or a file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.errors import ConfigError
from asteer_core.warehouse import query, to_csv, to_json_lines, warehouse_path, why_no_rows, write_rows
from asteer_pipeline.cli.options import Home
from asteer_pipeline.cli.rows import markdown, show
from asteer_pipeline.cli.terminal import printable

SHELL_ROWS = 10_000
"""Rows that the prompt shows; a query written to a file has no such limit."""


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def sql(
    file: Annotated[Path | None, typer.Argument(help="File with one SELECT; `-` reads standard input.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="The SELECT itself.")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How rows are printed.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a .csv, .json, .jsonl or .parquet file instead.")] = None,
    home: Home = None,
) -> None:
    """Query the warehouse; without a query, at a prompt. It is opened read-only, and may be read while a study runs."""
    root = paths.home(home)
    if file is not None and command is not None:
        raise ConfigError('asteer sql: give one query, either as -c "SELECT ..." or as a file')
    if file is None and command is None:
        _prompt(root, form)
        return
    text = command if command is not None else _read(file)
    found = query(text, warehouse_path(root))
    _explain_nothing(found, text, warehouse_path(root))
    if out is not None:
        write_rows(found, out)
        Console(stderr=True).print(printable(f"{out}: {found.height:,} rows"), markup=False, highlight=False, soft_wrap=True)
    else:
        _show(found, form, paged=False)


def _prompt(root: Path, form: Format) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            'asteer sql: give one query, as -c "SELECT ..." or as a file (`-` reads standard input); a prompt needs a terminal'
        )
    from asteer_core.warehouse.completion import names
    from asteer_pipeline.cli.sql_shell import shell

    path = warehouse_path(root)
    console = Console(stderr=True)

    def run(text: str) -> None:
        found = query(text, path)
        _explain_nothing(found, text, path)
        if found.height > SHELL_ROWS:
            complain(f"{found.height:,} rows; the first {SHELL_ROWS:,} are shown, -o FILE writes all")
        _show(found.head(SHELL_ROWS), form, paged=True)

    def complain(text: str) -> None:
        console.print(printable(text), style="red", markup=False, highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        Console().print(text, markup=False, highlight=False, soft_wrap=True)

    shell(names(path), root / "sql_history", run, complain, say)


def _show(found: pl.DataFrame, form: Format, *, paged: bool) -> None:
    if form is Format.CSV:
        sys.stdout.write(to_csv(found))
    elif form is Format.JSON:
        sys.stdout.write(to_json_lines(found))
    elif form is Format.MARKDOWN:
        sys.stdout.write(markdown(found))
    elif found.width:
        show(found, terminal=sys.stdout.isatty(), paged=paged)


def _explain_nothing(found: pl.DataFrame, text: str, path: Path) -> None:
    """Say on the error stream why a query has no rows, so that an empty table is not taken for an answer."""
    if found.width and not found.height:
        Console(stderr=True).print(printable(why_no_rows(text, path)), style="dim", markup=False, highlight=False, soft_wrap=True)


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if " " in str(file):
            raise ConfigError(f'asteer sql: no file {str(file)!r}; a query goes behind -c: asteer sql -c "{file}"') from error
        raise ConfigError(f"{file}: cannot be read ({error}); give the path of a text file with one SELECT") from error
