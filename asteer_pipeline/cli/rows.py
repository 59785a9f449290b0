"""How the rows of a query look: as a table that fits the terminal, one value a line where it does not, or Markdown.

Belongs here: layout. Does not: running a query (`asteer_core.warehouse`), or a file's format (`asteer_core.warehouse.formats`).
"""

from collections.abc import Iterable

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_pipeline.cli.terminal import printable

NULL = "NULL"
RECORDS = 20
"""Rows that are shown with a line per value where they are too wide; of more, the columns that fit are shown."""
LONGEST = 60
"""Characters of a cell that is cut where a table is too wide."""


def show(found: pl.DataFrame, *, terminal: bool, paged: bool) -> None:
    """Print rows, no wider than a terminal; into a pipe at their full width. `paged`: through a pager where they are too many."""
    cells = [[NULL if value is None else printable(_cell(value)) for value in row] for row in found.iter_rows()]
    widths = [
        max(len(name), *(max(map(len, row[place].splitlines()), default=0) for row in cells), 0) for place, name in enumerate(found.columns)
    ]
    needed = sum(widths) + 3 * len(widths) + 1
    console = Console() if terminal else Console(width=max(needed, 80))
    if needed <= console.width or len(widths) == 1:
        _print(console, _table(found, cells), found.height + 4, paged=paged)
    elif found.height <= RECORDS:
        _print(console, _records(found.columns, cells), found.height * (len(widths) + 1), paged=paged)
    else:
        kept = _fitting(widths, console.width)
        # Where all columns fit, long texts are folded within theirs.
        narrow = cells if len(kept) == len(widths) else [[_cut(row[place]) for place in kept] for row in cells]
        _print(console, _table(found.select(found.columns[place] for place in kept), narrow), found.height + 4, paged=paged)
        left = [name for place, name in enumerate(found.columns) if place not in kept]
        if left:
            text = f"{len(left)} of {len(widths)} columns do not fit: {', '.join(left)}. Name those you want, or -f csv, -o FILE for all."
            Console(stderr=True).print(printable(text), style="dim", markup=False, highlight=False)


def _fitting(widths: list[int], width: int) -> list[int]:
    """Return the places of the first columns that fit; one at least."""
    kept, used = [], 1
    for place, natural in enumerate(widths):
        used += min(natural, LONGEST) + 3
        if used > width and kept:
            break
        kept.append(place)
    return kept


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _print(console: Console, what: Table | Text, lines: int, *, paged: bool) -> None:
    if paged and lines > console.height:
        with console.pager(styles=False):
            console.print(what)
    else:
        console.print(what, soft_wrap=isinstance(what, Text))


def _table(found: pl.DataFrame, cells: list[list[str]]) -> Table:
    table = Table()
    for name, kind in found.schema.items():
        table.add_column(Text(printable(name)), justify="right" if kind.is_numeric() else "left", no_wrap=False)
    for row in cells:
        table.add_row(*[_styled(cell) for cell in row])
    return table


def _records(columns: list[str], cells: list[list[str]]) -> Text:
    """Return every row as lines of a column's name and its value."""
    wide = max(map(len, columns))
    text = Text()
    for number, row in enumerate(cells, 1):
        text.append(f"row {number}\n", "bold")
        for name, cell in zip(columns, row, strict=True):
            text.append(f"  {printable(name):>{wide}}  ").append(_styled(cell.replace("\n", "\n" + " " * (wide + 4)))).append("\n")
    text.rstrip()
    return text


def _styled(cell: str) -> Text:
    return Text(cell, "dim") if cell == NULL else Text(cell)


def markdown(found: pl.DataFrame) -> str:
    """Return rows as a Markdown table."""

    def line(cells: Iterable[str]) -> str:
        # A bar in a text would begin another cell.
        return "| " + " | ".join(printable(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    ruler = line("---:" if kind.is_numeric() else "---" for kind in found.schema.values())
    rows = (line(NULL if value is None else _cell(value) for value in row) for row in found.iter_rows())
    return line(found.columns) + ruler + "".join(rows)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
