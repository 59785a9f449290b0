"""Rows of unfinished corpora: nothing that was written is lost, nothing of another computation comes back."""

import pytest

from asteer_core.model.rows import GeneratedRow
from asteer_core.study.stages import _checkpoints
from asteer_core.study.stages._checkpoints import Checkpoint
from asteer_core.warehouse import Store

A, B = ("c", "m:caa:L01:s0.50"), ("c", "m")
OWNERS = {f"{name}/{n}": partition for name, partition in (("a", A), ("b", B)) for n in range(100)}


def row(name, text="t", displacement=None):
    return GeneratedRow(name, text, 3, 2, "stop", displacement)


def opened(tmp_path, keys=None):
    return Checkpoint(Store(tmp_path), "steered_corpora", keys or {A: "one", B: "two"}, OWNERS)


def test_rows_come_back_as_they_were(tmp_path):
    rows = [row("a/0", "x|\n\u202e", 0.25), row("b/1", "")]
    first = opened(tmp_path)
    for one in rows:
        first.add(one)
    assert opened(tmp_path).load() == []
    first.flush()
    assert opened(tmp_path).load() == rows


def test_rows_of_another_content_key_or_a_broken_file_are_removed(tmp_path):
    first = opened(tmp_path)
    first.add(row("a/0"))
    first.add(row("b/0"))
    first.flush()
    (file,) = (tmp_path / "checkpoints" / "steered_corpora" / "concept=c" / "m").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:40])
    assert opened(tmp_path, {A: "changed", B: "two"}).load() == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_rows_are_written_every_few_seconds_and_many_files_become_one(tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "EVERY_SECONDS", 0)
    monkeypatch.setattr(_checkpoints, "MOST_PARTS", 10)
    first = opened(tmp_path)
    for n in range(100):
        first.add(row(f"a/{n}"))
    assert len(list(tmp_path.rglob("*.parquet"))) <= 10
    assert {one.row_id for one in opened(tmp_path).load()} == {f"a/{n}" for n in range(100)}


def test_an_error_inside_leaves_the_rows_and_success_leaves_them_to_the_store(tmp_path):
    def interrupted():
        with opened(tmp_path) as checkpoint:
            checkpoint.add(row("a/0"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [one.row_id for one in opened(tmp_path).load()] == ["a/0"]
    opened(tmp_path).clear(A)
    with opened(tmp_path) as checkpoint:
        checkpoint.add(row("a/1"))
    assert opened(tmp_path).load() == []
