"""The results that pages show below their queries are those that the queries give now."""

import importlib.util
import re
from pathlib import Path

import pytest

from asteer_core.warehouse import publish, query, warehouse_path

ROOT = Path(__file__).parents[2]


def _writer():
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


writer = _writer()
RESULTS = [result for page in writer.pages() for result in writer.results(page)]
TIMES = {"seconds", "peak_mb", "runs", "made", "adopted"}
"""Columns that are another at every run."""


def name_of(result) -> str:
    return f"{result.page.name}: {' '.join(result.sql.split())[:60]}"


def test_every_result_below_a_query_has_a_study_and_is_found():
    said = sum(page.read_text("utf-8").count("<!-- result of the study ") for page in writer.pages())
    assert len(RESULTS) == said >= 11
    sql_page = [result for result in RESULTS if result.page.name == "sql.md"]
    assert len(sql_page) == len(list((ROOT / "data" / "queries").glob("*.sql")))


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("results") / "warehouse.duckdb"
    publish({}, path)
    return path


@pytest.mark.parametrize("result", RESULTS, ids=name_of)
def test_a_result_has_the_columns_that_its_query_has_now(result, empty):
    assert result.columns == query(result.sql, empty).columns


def test_a_page_is_written_anew_with_what_the_query_gives(tmp_path, monkeypatch):
    page, warehouse = tmp_path / "page.md", tmp_path / "warehouse.duckdb"
    old = "<!-- result of the study demo -->\n\n| wrong |\n|---|\n| 1 |\n"
    page.write_text(f"# A\n\n```sql\nSELECT study, 1 AS n FROM about\n```\n\n{old}\nAfter.\n\n```sh\nasteer sql -c \"SELECT range AS i\n"
                    f"FROM range(14)\"\n```\n\n{old}\nEnd.\n\n```sh\nls\n```\n\n| no | result |\n|---|---|\n")  # fmt: skip
    publish({"demo": tmp_path / "none", "other": tmp_path / "none"}, warehouse)
    text = writer.rewritten(page, warehouse)
    assert "wrong" not in text and "| study | n |\n| --- | ---: |\n| demo | 1 |\n\nAfter." in text
    assert "| 11 |\n\n14 rows; the first 12 are shown.\n\nEnd." in text and "| no | result |" in text
    page.write_text(text)
    assert writer.rewritten(page, warehouse) == text, "writing twice changes nothing"
    publish({"other": tmp_path / "none"}, warehouse)
    page.write_text(text.replace("| demo | 1 |", "| demo | 7 |"))
    assert "| demo | 7 |" in writer.rewritten(page, warehouse), "what the home does not have stays"


@pytest.mark.slow
@pytest.mark.parametrize("result", [result for result in RESULTS if result.study == "quick"], ids=name_of)
def test_the_numbers_of_the_quick_study_are_those_of_a_fresh_run(result, finished_home):
    """Another processor rounds otherwise: numbers may differ by .05, and one row in five by its words or its place."""
    told = [row for row in result.lines[2:] if row != [""]]
    rows = writer.answer(result, warehouse_path(finished_home))
    # All rows: which come first may depend on the times of a run.
    fresh = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in writer.markdown(rows).splitlines()[2:]]
    assert len(told) == min(len(fresh), writer.ROWS)
    kept = [place for place, name in enumerate(result.columns) if name not in TIMES]
    unlike = [row for row in told if not any(_alike(row, other, kept) for other in fresh)]
    assert len(unlike) <= len(told) / 5, f"run `make results`: {unlike}"


def _alike(row: list[str], other: list[str], kept: list[int]) -> bool:
    def same(a: str, b: str) -> bool:
        number = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
        return a == b or bool(number.fullmatch(a) and number.fullmatch(b) and abs(float(a) - float(b)) <= 0.05)

    return all(same(row[place], other[place]) for place in kept)
