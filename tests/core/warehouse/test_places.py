"""The same store, in a folder and in an object store (fsspec's own in memory; a real protocol is in `tests/integration`)."""

import time
import uuid

import polars as pl
import pytest
from upath import UPath

from asteer_core import paths
from asteer_core.errors import ConfigError, StoreError
from asteer_core.faults import is_transient
from asteer_core.warehouse import Store, leases, publish, stores_of
from asteer_core.warehouse.files import folders, is_present, local_copy, remove_tree, replace_file, stamps
from asteer_core.warehouse.places import place, reach_stores, reaching, store_root, studies
from asteer_core.warehouse.query import query

FRAME = pl.DataFrame({"concept": ["c"], "x": [1]})


@pytest.fixture(params=["folder", "objects"])
def root(request, tmp_path):
    where = tmp_path / "store" if request.param == "folder" else place(f"memory://bucket-{uuid.uuid4().hex}/store")
    yield where
    remove_tree(where)


def test_a_partition_is_read_back_with_its_key(root):
    store = Store(root)
    store.write("metrics", FRAME, "key-1", "c", "m:caa:1:0.5")
    assert store.read("metrics", "c", "m:caa:1:0.5").equals(FRAME)
    assert store.content_key("metrics", "c", "m:caa:1:0.5") == "key-1"
    assert store.content_key("metrics", "c", "other") is None
    assert store.read_many("metrics", [("c", "m:caa:1:0.5"), ("c", "other")]).equals(FRAME)
    with pytest.raises(StoreError, match="materialise metrics for c, other"):
        store.read("metrics", "c", "other")


def test_a_broken_object_is_no_result(root):
    path = Store(root).path("metrics", "c", "k")
    replace_file(path, lambda temporary: temporary.write_bytes(b"PAR1 cut off"))
    assert Store(root).content_key("metrics", "c", "k") is None
    with pytest.raises(StoreError, match="delete the file and run the study again"):
        Store(root).read("metrics", "c", "k")


def test_a_write_that_fails_leaves_what_was_there(root):
    path = root / "a.json"
    replace_file(path, lambda temporary: temporary.write_text("old"))

    def broken(temporary):
        temporary.write_text("half")
        raise OSError("no space left")

    with pytest.raises(StoreError, match="no space left"):
        replace_file(path, broken)
    assert path.read_text() == "old" and [found.name for found in root.iterdir()] == ["a.json"]


def test_a_local_copy_follows_the_artifact(root, tmp_path):
    path = Store(root).artifact("vectors", "c", "m:caa", ".bin")
    assert not is_present(path) and not local_copy(path, tmp_path / "cache").exists()
    for content in (b"one", b"two!"):
        replace_file(path, lambda temporary, content=content: temporary.write_bytes(content))
        assert is_present(path) and local_copy(path, tmp_path / "cache").read_bytes() == content


def test_what_lies_under_a_place_is_listed(root):
    assert stamps(root) == {} and folders(root) == []
    store = Store(root)
    store.write("metrics", FRAME, "k", "c", "a")
    store.write("leaderboard", FRAME, "k")
    before = stamps(root)
    assert list(before) == ["leaderboard/all.parquet", "metrics/concept=c/a.parquet"]
    assert [found.name for found in folders(root)] == ["leaderboard", "metrics"]
    store.write("leaderboard", FRAME.vstack(FRAME), "k")
    after = stamps(root)
    assert [name for name in before if before[name] != after[name]] == ["leaderboard/all.parquet"]


def test_one_of_several_gets_a_lease_and_the_next_after_it(root):
    with Store(root).leases() as first, Store(root).leases() as second:
        assert first.acquire("corpora", "c", "m:caa") and first.acquire("corpora", "c", "m:caa")
        assert not second.acquire("corpora", "c", "m:caa")
        assert second.holder("corpora", "c", "m:caa") == first.owner
        first.release("corpora", "c", "m:caa")
        assert second.acquire("corpora", "c", "m:caa")


def test_the_lease_of_the_dead_is_taken_over_and_that_of_the_living_is_not(root, monkeypatch):
    monkeypatch.setattr(leases, "EXPIRY_SECONDS", 0.2)
    with Store(root).leases() as watcher:
        for owner in ("elsewhere.1.living", "elsewhere.1.dead"):
            watcher._files.create(watcher._path(("corpora", owner)), owner)
            watcher._files.beat(watcher._sign(owner))
        assert not watcher.acquire("corpora", "elsewhere.1.living") and not watcher.acquire("corpora", "elsewhere.1.dead")
        time.sleep(0.3)
        watcher._files.beat(watcher._sign("elsewhere.1.living"))
        assert not watcher.acquire("corpora", "elsewhere.1.living")
        assert watcher.acquire("corpora", "elsewhere.1.dead")
        assert watcher.holder("corpora", "elsewhere.1.dead") == watcher.owner


def test_a_warehouse_reads_what_lies_in_an_object_store(tmp_path):
    root = place(f"memory://bucket-{uuid.uuid4().hex}/studies/small")
    Store(root).write("responses", pl.DataFrame({"row_id": ["r"], "concept": ["c"], "response": ["x"]}), "key-1", "c", "m:caa:1:0.5")
    publish({"small": root}, tmp_path / "warehouse.duckdb")
    found = query("SELECT study, row_id FROM responses", tmp_path / "warehouse.duckdb")
    assert found.rows() == [("small", "r")]
    listed = query("SELECT table_name, concept, partition, content_key FROM partitions", tmp_path / "warehouse.duckdb")
    assert listed.rows() == [("responses", "c", "m:caa:1:0.5", "key-1")]


def test_the_studies_lie_where_the_variable_says(tmp_path, monkeypatch):
    assert studies(tmp_path) == tmp_path / "studies"
    monkeypatch.setenv("ASTEER_STORE", str(tmp_path / "shared"))
    assert store_root(tmp_path) == tmp_path / "shared"
    monkeypatch.setenv("ASTEER_STORE", "memory://here/there/")
    assert str(studies(tmp_path)) == "memory://here/there/studies" and isinstance(studies(tmp_path), UPath)
    Store(studies(tmp_path) / "s").write("leaderboard", FRAME, "k")
    assert list(stores_of(tmp_path)) == ["s"]
    remove_tree(store_root(tmp_path))


def test_a_place_that_cannot_be_reached_says_how(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"pip install 'asteer\[gcs\]'"):
        place("gs://bucket/x")
    with pytest.raises(ConfigError, match="takes a folder or a URL"):
        place("no-such-scheme://bucket/x")
    monkeypatch.setenv("ASTEER_HOME", "s3://bucket/x")
    with pytest.raises(ConfigError, match="ASTEER_STORE"):
        paths.home()


def test_what_an_object_store_refuses_is_an_error_that_may_pass_only_where_it_does(tmp_path):
    with pytest.raises(StoreError, match="credentials") as refused, reaching(tmp_path):
        raise PermissionError("Access Denied")
    assert not is_transient(refused.value)
    with pytest.raises(StoreError) as slow, reaching(tmp_path):
        raise TimeoutError("slow down")
    assert is_transient(slow.value)


def test_one_connection_reaches_a_store_named_twice():
    import duckdb

    with duckdb.connect() as connection:
        reach_stores(connection, ["memory://a/b", "/a/folder", "memory://a/c"])
        reach_stores(connection, ["memory://a/b"])
        assert connection.list_filesystems() == ["memory"]
