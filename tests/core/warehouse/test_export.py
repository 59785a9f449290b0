"""The whole warehouse as parquet and SQL, and rows in the formats that people open."""

import os
import subprocess
import sys

import polars as pl
import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.warehouse import export, query, tables, to_csv, write_rows

READ_SCHEMA = """
import duckdb, sys
with duckdb.connect() as connection:
    connection.execute(open("schema.sql").read())
    for name in sys.argv[1:]:
        print(name, connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])
    sql = "SELECT comment FROM duckdb_columns() WHERE table_name = 'regret' AND column_name = 'regret'"
    print(connection.execute(sql).fetchall()[0][0])
"""


def test_an_export_holds_every_table_and_its_schema_builds_them_again_elsewhere(shared_warehouse, tmp_path):
    rows = export(tmp_path / "out", shared_warehouse)
    assert set(rows) == set(tables())
    assert rows["leaderboard"] == 36 and rows["responses"] == 288
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    names = ["leaderboard", "responses", "metric_auroc_correlation", "stored.regret", "audits"]
    done = subprocess.run([sys.executable, "-c", READ_SCHEMA, *names], cwd=moved, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines()[:-1])
    assert counts == {name: str(rows[name]) for name in names}
    assert done.stdout.splitlines()[-1] == "best_auroc minus auroc [0 to 1]"


def test_an_exported_view_equals_the_view(shared_warehouse, tmp_path):
    export(tmp_path / "out", shared_warehouse)
    sql = "FROM leaderboard ORDER BY configuration_id, detector"
    file = pl.read_parquet(tmp_path / "out" / "views" / "leaderboard.parquet").sort("configuration_id", "detector")
    assert file.equals(query(sql, shared_warehouse))


def test_an_export_does_not_mix_with_other_files(shared_warehouse, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        export(tmp_path, shared_warehouse)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_export_over_a_truncated_file_leaves_nothing_behind(store, warehouse, tmp_path):
    os.truncate(sorted((store.root / "responses").rglob("*.parquet"))[0], 40)
    with pytest.raises(StoreError, match="run the study again"):
        export(tmp_path / "out" / "deep", warehouse)
    assert list((tmp_path / "out").iterdir()) == []


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_in_a_csv_is_a_formula(text):
    frame = pl.DataFrame({"text": [text, "plain = 1", None], "number": [-1.5, 2.0, None], text: [1, 2, 3]})
    read = pl.read_csv(to_csv(frame).encode())
    assert read["text"].to_list() == ["'" + text, "plain = 1", None]
    assert read["number"].to_list() == [-1.5, 2.0, None]
    assert read.columns[2].startswith("'")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_rows_are_written_in_the_format_of_the_suffix(tmp_path, suffix):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    path = tmp_path / f"rows{suffix}"
    write_rows(frame, path)
    read = {".csv": pl.read_csv, ".json": pl.read_json, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[suffix](path)
    assert read.equals(frame)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in one of \.csv"):
        write_rows(pl.DataFrame({"a": [1]}), tmp_path / "rows.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_list_in_a_csv_is_text(shared_warehouse):
    assert "toxicity" in to_csv(query("SELECT list(DISTINCT concept ORDER BY concept) AS concepts FROM leaderboard", shared_warehouse))
