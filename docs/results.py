"""Writes anew the results that pages show below their queries: `make results`, or `python docs/results.py --home HOME`.

A result is a table below `<!-- result of the study NAME -->`; its query is the code block above that line, SQL or `asteer sql -c "..."`.
The study is run in the home first, or brought up to date there; a result of a study that the home does not have stays as it is.
Belongs here: finding, running and writing them. Does not: pages that come from the code (`generate.py`).
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.cli.rows import markdown

ROOT = Path(__file__).resolve().parents[1]
STUDY = "quick"
ROWS = 12
"""Rows of a result on a page."""
BLOCK = re.compile(r"^```(sql|sh|console)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"\A\s*<!-- result of the study (\S+) -->\n\n((?:\|[^\n]*\n)+)(?:\n\d+ rows; the first \d+ are shown\.\n)?")
COMMAND = re.compile(r'asteer sql -c "(.*?)"', re.DOTALL)


@dataclass(frozen=True)
class Result:
    """A table on a page: its query, the study it is of, its text, and where it begins and ends in the page."""

    page: Path
    sql: str
    study: str
    table: str
    start: int
    end: int

    @property
    def lines(self) -> list[list[str]]:
        """The cells of every line of the table: the names of the columns, the ruler, the rows."""
        return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in self.table.splitlines()]

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return self.lines[0]


def pages() -> list[Path]:
    """Return every page that may show a result."""
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if ".site" not in path.parts)]


def results(page: Path) -> Iterator[Result]:
    """Yield the results that a page shows, in order."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        found = TABLE.match(text[block.end() :])
        if found is None:
            continue
        command = COMMAND.search(block[2])
        sql = block[2] if block[1] == "sql" else (command[1] if command else "")
        if not sql:
            raise ValueError(f'{page}: the block above "result of the study {found[1]}" has no query')
        yield Result(page, sql, found[1], found[2], block.end() + found.start(2), block.end() + found.end())


def answer(result: Result, warehouse: Path) -> pl.DataFrame:
    """Return the rows that the query of a result gives now, of its study alone."""
    rows = query(result.sql, warehouse)
    return rows.filter(pl.col("study") == result.study) if "study" in rows.columns else rows


def shown(rows: pl.DataFrame) -> str:
    """Return rows as they stand on a page."""
    more = f"\n{rows.height} rows; the first {ROWS} are shown.\n" if rows.height > ROWS else ""
    return markdown(rows.head(ROWS)) + more


def rewritten(page: Path, warehouse: Path) -> str:
    """Return a page with the results of the studies that the warehouse holds."""
    text, known = page.read_text(encoding="utf-8"), set(query("SELECT study FROM about", warehouse)["study"])
    for result in reversed(list(results(page))):
        if result.study in known:
            text = text[: result.start] + shown(answer(result, warehouse)) + text[result.end :]
    return text


def main() -> None:
    """Run the study where it is missing or stale, and write the pages whose results changed."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument(
        "--home", type=Path, help="folder with the study, which is brought up to date; default: a new one, removed at the end"
    )
    reader.add_argument("--study", default=STUDY, help=f"what to run; default {STUDY}")
    given = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="asteer-results-") as fresh:
        home = (given.home or Path(fresh)).resolve()
        program = "import sys; from asteer_pipeline.cli import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", program, "study", "run", given.study, "--home", str(home)], check=True)
        for page in pages():
            text = rewritten(page, warehouse_path(home))
            if text != page.read_text(encoding="utf-8"):
                page.write_text(text, encoding="utf-8")
                print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
