"""`asteer sql`: one SELECT over the warehouse, as a table, CSV or JSON lines."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core.errors import ConfigError
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.cli.terminal import printable


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    file: Annotated[Path | None, typer.Argument(help="File with one SELECT; `-` reads standard input.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="The SELECT itself.")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How rows are printed.")] = Format.TABLE,
    home: Annotated[Path | None, typer.Option(help="Folder with the warehouse; default ASTEER_HOME, else ./.asteer.")] = None,
) -> None:
    """Query the warehouse; it is opened read-only, and may be read while a study runs."""
    if (file is None) == (command is None):
        raise ConfigError('asteer sql: give one query, either as -c "SELECT ..." or as a file')
    found = query(command or _read(file), warehouse_path(home.resolve()) if home else None)
    if form is Format.CSV:
        sys.stdout.write(found.write_csv())
    elif form is Format.JSON:
        sys.stdout.write(found.write_ndjson())
    else:
        table = Table(*found.columns)
        for row in found.iter_rows():
            table.add_row(*[Text("" if value is None else printable(_cell(value))) for value in row])
        # A wide table in a pipe is not folded to 80 columns.
        console = Console() if sys.stdout.isatty() else Console(width=400)
        console.print(table)


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); give the path of a text file with one SELECT") from error


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
