"""The logbook: one row per stage and run, whatever its end, and nothing of it in the results."""

from types import SimpleNamespace

import polars as pl
import pytest

from asteer_core.errors import AsteerError
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.warehouse import Store, publish, query


@pytest.fixture
def ws(tmp_path):
    return SimpleNamespace(study=SimpleNamespace(name="demo"), run_id="abc", store=Store(tmp_path / "studies" / "demo"))


def pages(ws, table: str) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in sorted((ws.store.root / table).glob("*.parquet")))


@recorded
def judges(ws, concepts, error=None):
    for number, concept in enumerate(concepts):
        yield Done(concept, None, rows=3, reused=number == 0)
    if error:
        raise error


def test_a_stage_leaves_its_time_and_the_partitions_it_made(ws):
    assert [done.concept for done in judges(ws, ["a", "b", "c"])] == ["a", "b", "c"]
    row = pages(ws, "runs").row(0, named=True)
    assert (row["stage"], row["run_id"], row["partitions"], row["reused"], row["rows"]) == ("judges", "abc", 3, 1, 9)
    assert row["complete"] and row["error"] is None and row["seconds"] >= 0 and row["peak_memory"] > 1e6
    made = pages(ws, "run_partitions")
    assert made["concept"].to_list() == ["b", "c"] and (made["finished_at"] >= row["started_at"]).all()


@pytest.mark.parametrize("error", [AsteerError("no"), KeyboardInterrupt()])
def test_a_stage_that_ends_badly_is_recorded_with_what_it_finished(ws, error):
    with pytest.raises(type(error)):
        list(judges(ws, ["a", "b"], error))
    row = pages(ws, "runs").row(0, named=True)
    assert (row["complete"], row["error"], row["partitions"]) == (False, type(error).__name__, 2)
    assert pages(ws, "run_partitions").height == 1


def test_a_consumer_that_stops_early_is_recorded_as_incomplete(ws):
    work = judges(ws, ["a", "b"])
    next(work)
    work.close()
    assert pages(ws, "runs").row(0, named=True)["error"] == "GeneratorExit"


def test_two_runs_stand_beside_each_other_and_in_the_warehouse(ws, tmp_path):
    list(judges(ws, ["a"]))
    list(judges(ws, ["a", "b"]))
    publish({"demo": ws.store.root}, tmp_path / "w.duckdb")
    assert query("SELECT partitions FROM runs ORDER BY started_at", tmp_path / "w.duckdb")["partitions"].to_list() == [1, 2]
    assert query("SELECT concept FROM run_partitions", tmp_path / "w.duckdb")["concept"].to_list() == ["b"]


def test_partitions_name_the_hash_and_the_code_behind_every_file(ws, tmp_path):
    ws.store.write("regret", pl.DataFrame({"concept": ["a"]}), "hash1")
    ws.store.write("responses", pl.DataFrame({"row_id": ["a"]}), "hash2", "toxicity", "m:caa:L01:s0.50")
    publish({"demo": ws.store.root}, tmp_path / "w.duckdb")
    found = query("SELECT table_name, concept, partition, content_key, bytes FROM partitions ORDER BY table_name", tmp_path / "w.duckdb")
    assert found.drop("bytes").rows() == [
        ("regret", None, "all", "hash1"),
        ("responses", "toxicity", "m:caa:L01:s0.50", "hash2"),
    ]
    assert (found["bytes"] > 100).all()
    assert query("SELECT count(*) FROM partitions WHERE written_at IS NULL OR asteer_version IS NULL", tmp_path / "w.duckdb").item() == 0
