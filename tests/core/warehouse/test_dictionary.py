"""The data dictionary: the page in the docs is the one that the declarations give, and says what the warehouse says."""

from pathlib import Path

from asteer_core.warehouse import dictionary, query, tables

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "data-dictionary.md"


def test_the_page_in_the_docs_is_current():
    assert PAGE.read_text("utf-8") == dictionary(), "run: asteer warehouse dictionary > docs/reference/data-dictionary.md"


def test_every_column_stands_in_the_page_as_in_the_warehouse(shared_warehouse):
    page = PAGE.read_text("utf-8")
    for name, table in tables().items():
        section = page.split(f"## {name}\n")[1].split("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [column.name for column in table.columns]
    comments = query("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal", shared_warehouse)
    assert len(comments) > 300 and comments["comment"].null_count() == 0


def test_every_macro_is_documented():
    section = dictionary().split("## Macros")[1]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) >= 9 and all(line.split(" | ")[1].strip(" |") for line in rows)
