"""The store: atomic partitions, content keys, errors that name the file."""

import os

import polars as pl
import pytest

from asteer_core.errors import StoreError
from asteer_core.warehouse.files import replace_file
from asteer_core.warehouse.store import Store

FRAME = pl.DataFrame({"text": ["a", "b"], "value": [1.0, None]})


def test_a_partition_comes_back_as_written(tmp_path):
    store = Store(tmp_path)
    store.write("responses", FRAME, "k1", "toxicity", "llama-3m:caa:L02:s0.60")
    assert store.read("responses", "toxicity", "llama-3m:caa:L02:s0.60").equals(FRAME)
    assert store.content_key("responses", "toxicity", "llama-3m:caa:L02:s0.60") == "k1"


def test_a_missing_partition_has_no_content_key_and_reading_it_says_what_to_do(tmp_path):
    store = Store(tmp_path)
    assert store.content_key("responses", "toxicity", "x") is None
    with pytest.raises(StoreError, match="materialise responses"):
        store.read("responses", "toxicity", "x")


def test_a_truncated_file_is_stale_and_reading_it_names_the_file(tmp_path):
    store = Store(tmp_path)
    path = store.write("responses", FRAME, "k1", "toxicity", "x")
    path.write_bytes(path.read_bytes()[:40])
    assert store.content_key("responses", "toxicity", "x") is None
    with pytest.raises(StoreError, match="delete the file"):
        store.read("responses", "toxicity", "x")


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    store = Store(tmp_path)
    path = store.write("responses", FRAME, "k1", "toxicity", "x")

    def broken(temporary):
        temporary.write_bytes(b"half")
        raise OSError("No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        replace_file(path, broken)
    assert store.read("responses", "toxicity", "x").equals(FRAME)
    assert os.listdir(path.parent) == [path.name]


def test_read_many_leaves_out_partitions_that_are_not_there_yet(tmp_path):
    store = Store(tmp_path)
    store.write("corpus_metrics", FRAME, "k", "toxicity", "a")
    assert store.read_many("corpus_metrics", [("toxicity", "a"), ("toxicity", "b")]).height == 2
    assert store.read_many("corpus_metrics", [("toxicity", "b")]).is_empty()


def test_a_home_whose_name_is_a_pattern_is_read(tmp_path):
    store = Store(tmp_path / "it's a [store] *?")
    store.write("responses", FRAME, "k", "toxicity", "a")
    assert store.read("responses", "toxicity", "a").equals(FRAME)
    assert store.content_key("responses", "toxicity", "a") == "k"
