import os
import shutil
import threading

import duckdb
import polars as pl
import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.types import Configuration
from asteer_core.warehouse import Store, connect, publish, query, tables
from tests.core.warehouse.conftest import STRENGTHS, frame_of, identity_of, write_study


def count(warehouse, name: str) -> int:
    return query(f"SELECT count(*) AS n FROM {name}", warehouse)["n"].item()


def test_every_row_of_the_store_is_in_the_warehouse(warehouse):
    assert count(warehouse, "corpus_metrics") == count(warehouse, "detector_metrics") == count(warehouse, "leaderboard") == 36
    assert count(warehouse, "responses") == 36 * 8
    assert query("FROM responses WHERE concept = 'toxicity' LIMIT 1", warehouse)["text"][0].startswith("it's")


def test_publication_reports_the_rows_it_copied(store, tmp_path):
    rows = publish({"demo": store.root}, tmp_path / "other.duckdb")
    assert rows["corpus_metrics"] == 36
    assert rows["stored.regret"] == 0
    assert "responses" not in rows


def test_an_empty_store_has_every_table_with_its_declared_columns(tmp_path):
    publish({"empty": tmp_path / "nothing"}, tmp_path / "warehouse.duckdb")
    for name, table in tables().items():
        frame = query(f"FROM {name}", tmp_path / "warehouse.duckdb")
        assert frame.columns == [column.name for column in table.columns], name
        assert frame.schema == table.polars_schema, name
        assert frame.height == {"about": 1, "audit_gates": 5}.get(name, 0), name


def test_a_filled_store_has_the_declared_types_too(warehouse):
    for name, table in tables().items():
        assert query(f"FROM {name} LIMIT 1", warehouse).schema == table.polars_schema, name


def test_every_table_and_column_is_documented(warehouse):
    sql = "FROM {} WHERE NOT internal AND schema_name IN ('main', 'stored')"
    named = query(sql.format("duckdb_tables()"), warehouse).select(name="table_name", comment="comment", schema="schema_name")
    views = query(sql.format("duckdb_views()"), warehouse).select(name="view_name", comment="comment", schema="schema_name")
    assert pl.concat([named, views])["comment"].null_count() == 0
    found = {f"stored.{name}" if schema == "stored" else name for name, schema in pl.concat([named, views]).select("name", "schema").rows()}
    assert found == set(tables())
    columns = query(sql.format("duckdb_columns()"), warehouse)
    assert columns["comment"].null_count() == 0
    auroc = columns.filter((pl.col("table_name") == "detector_metrics") & (pl.col("column_name") == "auroc"))["comment"].item()
    assert auroc == "area under the ROC curve [0 to 1]"


def test_a_new_partition_shows_in_the_views_without_publication(store, warehouse):
    configuration = Configuration("toxicity", "tiny", "caa", 3, 0.5)
    row = identity_of("demo", configuration) | {"row_id": "new", "text": "fresh"}
    store.write("responses", frame_of("responses", [row]), "k", "toxicity", configuration.key)
    assert count(warehouse, "responses") == 36 * 8 + 1


def test_two_studies_share_a_warehouse_and_keep_their_names(store, tmp_path):
    other = write_study(tmp_path / "second", study="demo", seed=1)
    publish({"first": store.root, "second": other.root}, tmp_path / "warehouse.duckdb")
    frame = query("SELECT study, count(*) AS n FROM leaderboard GROUP BY study ORDER BY study", tmp_path / "warehouse.duckdb")
    assert frame.rows() == [("first", 36), ("second", 36)]


def test_readers_never_meet_a_half_built_warehouse(store, warehouse):
    stop, errors = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                if count(warehouse, "leaderboard") != 36:
                    errors.append("rows missing")
            except Exception as error:
                errors.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            publish({"demo": store.root}, warehouse)
    finally:
        stop.set()
        reader.join()
    assert errors == []


def test_an_open_connection_survives_publication_and_a_new_one_sees_it(store, warehouse):
    with connect(warehouse) as old:
        shutil.rmtree(store.root / "corpus_metrics")
        publish({"demo": store.root}, warehouse)
        assert old.execute("SELECT count(*) FROM corpus_metrics").fetchall() == [(36,)]
    assert count(warehouse, "corpus_metrics") == 0


@pytest.mark.parametrize("name", ["corpus_metrics", "responses"])
@pytest.mark.parametrize("size", [0, 3, 400])
def test_a_truncated_file_is_named_with_what_to_do_and_the_old_warehouse_stays(store, warehouse, name, size):
    file = sorted((store.root / name).rglob("*.parquet"))[0]
    os.truncate(file, size)
    before = warehouse.read_bytes()
    with pytest.raises(StoreError, match=r"delete it and run the study again") as caught:
        publish({"demo": store.root}, warehouse)
    assert str(file) in str(caught.value)
    assert warehouse.read_bytes() == before
    assert [path.name for path in warehouse.parent.iterdir() if path.name != store.root.name] == ["warehouse.duckdb"]


def test_a_half_written_partition_is_not_read(store, tmp_path):
    (store.root / "responses" / "concept=toxicity" / ".new.parquet.1234.tmp").write_bytes(b"PAR1")
    publish({"demo": store.root}, tmp_path / "warehouse.duckdb")
    assert count(tmp_path / "warehouse.duckdb", "responses") == 36 * 8


def test_a_column_of_the_wrong_kind_is_refused_with_the_declared_layout(tmp_path):
    Store(tmp_path / "s").write("regret", pl.DataFrame({"study": ["a"], "auroc": ["high"]}), "k")
    with pytest.raises(StoreError, match=r"table 'regret'.*declared layout.*auroc DOUBLE"):
        publish({"a": tmp_path / "s"}, tmp_path / "warehouse.duckdb")


def test_columns_beyond_the_declared_are_kept_and_missing_ones_are_null(tmp_path):
    Store(tmp_path / "s").write("regret", pl.DataFrame({"study": ["a"], "auroc": [0.5], 'an "extra"': [7]}), "k")
    publish({"a": tmp_path / "s"}, tmp_path / "warehouse.duckdb")
    frame = query("FROM stored.regret", tmp_path / "warehouse.duckdb")
    assert frame['an "extra"'].to_list() == [7]
    assert frame["regret"].to_list() == [None]


def test_files_are_united_by_name_only_where_their_columns_differ(store, tmp_path):
    sql = "SELECT sql FROM duckdb_views() WHERE view_name = 'responses'"
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    assert "union_by_name = false" in query(sql, tmp_path / "w.duckdb").item()
    file = sorted((store.root / "responses").rglob("*.parquet"))[5]
    pl.read_parquet(file, hive_partitioning=False, glob=False).drop("prompt").with_columns(more=1).write_parquet(file)
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    rows = query("SELECT count(*) AS n, count(prompt) AS prompts, count(more) AS more FROM responses", tmp_path / "w.duckdb").row(0)
    assert rows == (36 * 8, 35 * 8, 8)


def test_not_a_number_becomes_null(tmp_path):
    Store(tmp_path / "s").write("regret", pl.DataFrame({"auroc": [float("nan"), 0.5]}), "k")
    publish({"a": tmp_path / "s"}, tmp_path / "warehouse.duckdb")
    assert query("FROM stored.regret", tmp_path / "warehouse.duckdb")["auroc"].to_list() == [None, 0.5]


def test_a_moved_store_is_repaired_by_publishing_again(store, warehouse, tmp_path):
    moved = store.root.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="publish"):
        count(warehouse, "responses")
    publish({"demo": moved}, warehouse)
    assert count(warehouse, "responses") == 36 * 8


def test_a_study_name_that_breaks_sql_is_refused(store, tmp_path):
    with pytest.raises(ConfigError, match="study name"):
        publish({"x'; DROP": store.root}, tmp_path / "warehouse.duckdb")


def test_strength_curves_run_along_the_dial(warehouse):
    frame = query("FROM strength_curve('toxicity', 'caa') WHERE layer = 1", warehouse)
    assert frame["strength"].to_list() == list(STRENGTHS)


def test_the_warehouse_opens_in_a_plain_client(warehouse):
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM best_configurations('evasion', 1)").fetchall()[0][0] >= 1
