"""The tables in docs/methods, written from the code by `python -m asteer_core.methods._defaults docs/methods`.

What does not belong here: prose; it stands in the pages.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asteer_core.errors import DataError
from asteer_core.methods._base import Method
from asteer_core.methods._registry import METHODS

BEGIN, END = "<!-- defaults: written from the code -->", "<!-- end of defaults -->"
INDEX = "index"


def defaults_table(method: Method) -> str:
    """Return what a method is by default, as a markdown table."""
    rows = [
        ("token positions", method.positions),
        ("fewest pairs", str(method.min_pairs)),
        ("needs beside pairs", ", ".join(sorted(method.needs)) or "nothing"),
        ("strength", "yes" if method.has_dial else "none"),
        ("acts on", "rows whose prompt opens the gate" if method.has_gate else "every row"),
        ("source", method.source),
    ]
    for name, option in method.options.model_fields.items():
        rows.append((f"option `{name}`", "must be given" if option.is_required() else f"`{option.default}`"))
    return "\n".join(["| | |", "| --- | --- |", *(f"| {left} | {right} |" for left, right in rows)])


def overview() -> str:
    """Return all methods in one markdown table."""
    rows = []
    for name in METHODS.names():
        method = METHODS.get(name)
        options = ", ".join(f"`{option}`" for option in method.options.model_fields) or "none"
        rows.append(f"| [{name}]({name}.md) | {method.description} | {'yes' if method.has_dial else 'none'} | {options} |")
    return "\n".join(["| method | what it does | strength | options |", "| --- | --- | --- | --- |", *rows])


def with_table(page: str, table: str, where: str) -> str:
    """Return a page with its table between the marks.

    Raises:
        DataError: the page has no place for it.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise DataError(f"{where}: no lines {BEGIN!r} and {END!r}; put both where the table belongs")
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}"


def main(folder: Path) -> None:
    """Write the tables into the pages of a folder."""
    for name in (*METHODS.names(), INDEX):
        page = folder / f"{name}.md"
        table = overview() if name == INDEX else defaults_table(METHODS.get(name))
        page.write_text(with_table(page.read_text(encoding="utf-8"), table, str(page)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/methods"))
