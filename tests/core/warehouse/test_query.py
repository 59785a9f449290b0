import shutil
import subprocess
import sys

import duckdb
import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.warehouse import connect, publish, query, upgrade, warehouse_path, why_no_rows


def test_a_missing_warehouse_says_what_to_run(tmp_path):
    with pytest.raises(StoreError, match="run a study"):
        query("SELECT 1", tmp_path / "warehouse.duckdb")


def test_the_default_lies_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    assert warehouse_path() == tmp_path.resolve() / "warehouse.duckdb"


def test_no_progress_bar_gets_into_the_output(warehouse):
    assert query("SELECT current_setting('enable_progress_bar') AS bar", warehouse).item() is False


def test_parameters_reach_the_query(warehouse):
    sql = "SELECT DISTINCT concept FROM corpus_metrics WHERE concept = ?"
    assert query(sql, warehouse, ["evasion"])["concept"].to_list() == ["evasion"]


@pytest.mark.parametrize("sql", ["DELETE FROM corpus_metrics", "CREATE TABLE mine AS SELECT 1", "DROP VIEW leaderboard"])
def test_sql_that_writes_is_refused_and_nothing_changes(warehouse, sql):
    before = warehouse.read_bytes()
    with pytest.raises(ConfigError, match="read-only"):
        query(sql, warehouse)
    assert warehouse.read_bytes() == before


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM leaderboard", "FROM leaderbord"])
def test_wrong_sql_is_an_error_of_the_user(warehouse, sql):
    with pytest.raises(ConfigError, match="the query failed"):
        query(sql, warehouse)


def test_an_empty_query_and_a_second_select_are_refused_and_setting_up_is_not(warehouse):
    with pytest.raises(ConfigError, match="a statement that gives no rows"):
        query("CONNECT", warehouse)
    with pytest.raises(ConfigError, match="the query is empty; give one SELECT"):
        query(" -- only a remark\n;", warehouse)
    with pytest.raises(ConfigError, match="2 statements, of which only the last"):
        query("FROM leaderboard; FROM regret", warehouse)
    assert query("SET threads = 1; SELECT 2 AS two;", warehouse).item() == 2


def test_a_file_of_the_query_s_own_is_not_taken_for_one_behind_a_view(warehouse):
    with pytest.raises(ConfigError, match="the query failed.*mine.parquet"):
        query("FROM 'mine.parquet'", warehouse)


def test_a_refused_statement_is_named_with_where_to_write_instead(warehouse):
    # corpus_metrics is a table, responses a view.
    for table in ("corpus_metrics", "responses"):
        with pytest.raises(ConfigError, match="DELETE would change it.*-o rows.parquet.*ATTACH"):
            query(f"DELETE FROM {table}", warehouse)
    with pytest.raises(ConfigError, match="UPDATE would change it"):
        query("UPDATE leaderboard SET auroc = 1", warehouse)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("FROM best_configurations('toxcity', 3)", "no rows; nothing here is called 'toxcity'. Did you mean 'toxicity'?"),
        ("FROM leaderboard WHERE concept = 'toxicity' AND detector = 'embeding'", "'embeding'. Did you mean 'embedding'?"),
        ("FROM correlations_of('poled')", "'poled'. Did you mean 'pooled'?"),
        ("FROM leaderboard WHERE concept = 'toxicity' AND auroc > 2 -- 'toxcity'", "no rows"),
        ("FROM leaderboard WHERE flags = 'zzzzzz' OR concept LIKE '%q%'", "no rows"),
    ],
)
def test_a_query_without_rows_names_the_word_that_names_nothing(warehouse, sql, says):
    assert query(sql, warehouse).is_empty()
    found = why_no_rows(sql, warehouse)
    assert found == says if says.startswith("no rows") else found.endswith(says)


def test_a_warehouse_without_detectors_says_so(tmp_path):
    publish({}, tmp_path / "w.duckdb")
    assert "no study in this warehouse has a trained detector yet" in why_no_rows("FROM leaderboard", tmp_path / "w.duckdb")


def test_the_first_rows_of_the_leaderboard_are_the_best_steered_configurations(warehouse):
    frame = query("FROM leaderboard LIMIT 5", warehouse)
    assert set(frame["arm"]) == {"steered"} and frame["rank"].to_list() == sorted(frame["rank"].to_list()) and frame["rank"][0] == 1


def test_a_copied_home_is_not_read_through_the_views_of_the_first(written, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(written.root, first / "studies" / "demo")
    upgrade(first)
    shutil.copytree(first, second)
    assert query("SELECT count(*) FROM responses", first / "warehouse.duckdb").item() > 0
    with pytest.raises(StoreError, match="moved or copied. Run `asteer warehouse upgrade`"):
        connect(second / "warehouse.duckdb")
    upgrade(second)
    shutil.rmtree(first)
    assert query("SELECT count(*) FROM responses", second / "warehouse.duckdb").item() > 0


def test_a_file_truncated_after_publication_is_named(store, warehouse):
    file = sorted((store.root / "responses").rglob("*.parquet"))[0]
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreError, match="run the study again") as caught:
        query("SELECT count(text) FROM responses", warehouse)
    assert file.name in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "warehouse.duckdb").write_text("not a database, but long enough to be looked at" * 400)
    with pytest.raises(StoreError, match="not a DuckDB database"):
        connect(tmp_path / "warehouse.duckdb")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("CREATE TABLE x (a INT)", "no version.*asteer warehouse upgrade"),
        ("CREATE TABLE about AS SELECT 1 AS schema_version", "schema version 1, expected.*asteer warehouse upgrade"),
        ("CREATE TABLE about AS SELECT 999 AS schema_version", "schema version 999, made by a newer Asteer.*Update Asteer"),
    ],
)
def test_a_warehouse_of_another_version_is_refused_with_the_remedy(tmp_path, sql, says):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    with pytest.raises(StoreError, match=says):
        connect(path)


WRITER = """
import duckdb, sys, time
with duckdb.connect(sys.argv[1]):
    print("open", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def held(path, seconds: float) -> subprocess.Popen:
    """Return a process that holds the file for writing."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_a_reader_waits_until_a_writer_lets_go(warehouse):
    with held(warehouse, 0.5):
        assert query("SELECT 1 AS one", warehouse)["one"].item() == 1


def test_a_reader_gives_up_with_the_reason(warehouse):
    with held(warehouse, 30) as process:
        with pytest.raises(StoreError, match="another program holds it"):
            connect(warehouse, attempts=2, wait=0.01)
        process.kill()
