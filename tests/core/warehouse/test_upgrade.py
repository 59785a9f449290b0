"""A warehouse of another version, or a broken one: it is published again, or refused; the parquet files stay as they are."""

import shutil

import duckdb
import pytest

from asteer_core.errors import StoreError
from asteer_core.warehouse import SCHEMA_VERSION, query, stores_of, upgrade


@pytest.fixture
def home(written, tmp_path):
    shutil.copytree(written.root, tmp_path / "studies" / "demo")
    return tmp_path


def set_version(home, version: int) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(f"CREATE TABLE about AS SELECT {version} AS schema_version")


def files(home) -> dict:
    return {path: path.read_bytes() for path in (home / "studies").rglob("*.parquet")}


def test_an_older_warehouse_is_published_again_and_no_parquet_file_changes(home):
    set_version(home, 1)
    before = files(home)
    done = upgrade(home)
    assert (done.found, done.studies) == (1, ("demo",))
    assert query("SELECT DISTINCT schema_version FROM about", home / "warehouse.duckdb").item() == SCHEMA_VERSION
    assert query("SELECT count(*) FROM leaderboard", home / "warehouse.duckdb").item() == 36
    assert files(home) == before


def test_a_newer_warehouse_is_left_alone(home):
    set_version(home, SCHEMA_VERSION + 1)
    before = (home / "warehouse.duckdb").read_bytes()
    with pytest.raises(StoreError, match="newer Asteer.*Update Asteer"):
        upgrade(home)
    assert (home / "warehouse.duckdb").read_bytes() == before


def test_a_missing_or_unreadable_warehouse_is_made(home):
    assert upgrade(home).found is None
    (home / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    assert upgrade(home).found == 0
    assert query("SELECT count(*) FROM leaderboard", home / "warehouse.duckdb").item() == 36


def test_a_home_without_a_study_says_what_to_run(tmp_path):
    with pytest.raises(StoreError, match="run one"):
        upgrade(tmp_path)
    assert stores_of(tmp_path) == {}


def test_a_store_of_an_older_version_lacks_columns_and_opens(home):
    file = next((home / "studies" / "demo" / "detector_metrics").rglob("*.parquet"))
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * EXCLUDE (flags, length_auroc) FROM '{file}') TO '{file}.new' (FORMAT parquet)")
    file.with_name(file.name + ".new").rename(file)
    upgrade(home)
    assert query("SELECT count(*) FROM detector_metrics", home / "warehouse.duckdb").item() == 36
