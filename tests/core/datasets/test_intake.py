"""Data sets: what is read, what is dropped and why, and what is refused with file and rows."""

import json
import sys

import polars as pl
import pytest

from asteer_core.datasets import dataset_identity, read_dataset, resolve
from asteer_core.errors import DataError

ROWS = [{"q": f"prompt {n}", "a": f"reply {n}", "l": ("ok", "bad")[n % 2], "kind": "x"} for n in range(60)]


@pytest.fixture
def entry(tmp_path):
    """A description of `all.jsonl`, which holds ROWS."""
    write(tmp_path / "all.jsonl", ROWS)
    return {
        "name": "mine", "kind": "jsonl", "license": "own", "path": str(tmp_path), "files": {"all": "all.jsonl"},
        "columns": {"prompt": "q", "response": "a", "label": "l"}, "label_map": {"ok": 0, "bad": 1},
        "splits": {"all": {"train": 0.5, "validation": 0.2, "test": 0.3}},
    }  # fmt: skip


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(entry, cache=None):
    return read_dataset(resolve(entry, "here"), cache)


WRITERS = {
    "jsonl": lambda frame, path: frame.write_ndjson(path),
    "json": lambda frame, path: frame.write_json(path),
    "csv": lambda frame, path: frame.write_csv(path, separator=";"),
    "parquet": lambda frame, path: frame.write_parquet(path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_rows_come_out_of_every_kind_of_file(entry, tmp_path, kind):
    WRITERS[kind](pl.DataFrame(ROWS), tmp_path / "other")
    found = read({**entry, "kind": kind, "separator": ";", "files": {"all": "other"}}).rows
    expected = read(entry).rows
    assert found.drop("id").equals(expected.drop("id")) and found.height == len(ROWS)


def test_a_folder_written_by_save_to_disk_is_read(entry, tmp_path):
    saved = tmp_path / "saved" / "all"
    saved.mkdir(parents=True)
    halves = [pl.DataFrame(ROWS[:30]), pl.DataFrame(ROWS[30:])]
    for number, half in enumerate(halves):
        half.write_ipc_stream(saved / f"data-{number}.arrow")
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": f"data-{n}.arrow"} for n in range(2)]}))
    found = read({**entry, "kind": "hf_local", "path": str(tmp_path / "saved")}).rows
    assert sorted(found["response"]) == sorted(row["a"] for row in ROWS)


def test_the_hub_is_asked_for_the_pinned_revision_only(entry, monkeypatch):
    asked = []

    class Hub:
        def load_dataset(self, hub, config, **rest):
            asked.append((hub, config, rest))
            return self

        def to_polars(self):
            return pl.DataFrame(ROWS)

    monkeypatch.setitem(sys.modules, "datasets", Hub())
    hub = {**entry, "kind": "hf", "hub": "own/er", "config": "c", "revision": "abc"}
    assert read(hub).rows.height == len(ROWS)
    assert asked == [("own/er", "c", {"split": "all", "revision": "abc", "data_dir": None})]
    with pytest.raises(DataError, match="set `revision:` to a commit"):
        read({**hub, "revision": None})


def test_without_the_datasets_package_the_error_names_the_extra(entry, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'asteer\[datasets\]'"):
        read({**entry, "kind": "hf", "hub": "own/er", "revision": "abc"})


def test_roles_and_labels_become_the_splits_of_a_concept(entry):
    counts = {(split, label): n for split, label, n in read(entry).counts.rows()}
    assert counts.keys() == {
        ("detector_positives", 1),
        ("detector_negatives", 0),
        *((s, label) for s in ("validation", "test") for label in (0, 1)),
    }
    assert sum(counts.values()) == len(ROWS)


def test_shares_are_drawn_by_group_and_do_not_change_with_other_rows(entry, tmp_path):
    before = dict(read(entry).rows.select("response", "split").rows())
    more = [{**ROWS[n % 60], "a": f"second reply {n}", "l": ("ok", "bad")[n // 60]} for n in range(120)]
    write(tmp_path / "all.jsonl", [*more, *ROWS])
    after = read(entry).rows
    roles = pl.when(pl.col("split").str.starts_with("detector")).then(pl.lit("train")).otherwise(pl.col("split"))
    assert after.group_by("group").agg(roles.n_unique().alias("n"))["n"].max() == 1
    assert {response: split for response, split in after.select("response", "split").rows() if response in before} == before


def test_what_is_dropped_is_counted_by_reason(entry, tmp_path):
    broken = [
        {"q": "x", "a": "  ", "l": "ok"}, {"q": "x", "a": None, "l": "ok"}, {"q": None, "a": "b", "l": "ok"},
        {"q": "x", "a": "c", "l": None}, {"q": "x", "a": "d", "l": "unsure"}, {"q": "x", "a": "e" * 20_001, "l": "ok"},
        {"q": "x", "a": "f", "l": "ok", "kind": "y"}, ROWS[0], {**ROWS[1], "l": "ok"},
    ]  # fmt: skip
    write(tmp_path / "all.jsonl", [*[{**row, "kind": row.get("kind", "x")} for row in broken], *ROWS])
    intake = read({**entry, "label_map": {**entry["label_map"], "unsure": None}, "where": "kind = 'x'"})
    assert intake.dropped == {
        "empty response": 2, "same text under both labels": 2, "empty prompt": 1, "no label": 1, "label unsure maps to null": 1,
        "more than 20,000 characters": 1, "does not meet `where`": 1, "repeats another row": 1,
    }  # fmt: skip
    assert intake.read == len(broken) + len(ROWS) == intake.rows.height + sum(intake.dropped.values())


def test_a_list_of_replies_gives_one_row_each(entry, tmp_path):
    write(tmp_path / "all.jsonl", [{"q": f"p{n}", "good": [f"g{n}", f"h{n}"], "bad": f"b{n}"} for n in range(40)])
    columns = [{"prompt": "q", "response": "good", "label": {"sql": "0"}}, {"prompt": "q", "response": "bad", "label": {"sql": "1"}}]
    rows = read({**entry, "columns": columns, "label_map": {}}).rows
    assert rows.height == 120 and rows["id"].n_unique() == 120 and rows["label"].sum() == 40


def test_labels_without_a_map_may_be_numbers_or_booleans(entry, tmp_path):
    for values in ((0, 1), (0.0, 1.0), (False, True), ("0", "1")):
        write(tmp_path / "all.jsonl", [{**row, "l": values[n % 2]} for n, row in enumerate(ROWS)])
        assert read({**entry, "label_map": {}}).rows["label"].sum() == 30


def test_take_draws_that_many_rows_and_the_same_ones_every_time(entry):
    first, second = (read({**entry, "take": {"test": 6}}) for _ in range(2))
    assert first.rows.filter(pl.col("split") == "test").height == 6 and first.rows.equals(second.rows)
    other = read({**entry, "take": {"test": 6}, "seed": 1})
    assert not other.rows.equals(first.rows)


def test_the_rows_that_are_drawn_do_not_depend_on_the_folder(entry, tmp_path):
    elsewhere = tmp_path / "another" / "place"
    elsewhere.mkdir(parents=True)
    write(elsewhere / "all.jsonl", ROWS)
    here, there = (read({**entry, "take": {"train": 5, "test": 8}, "path": str(path)}).rows for path in (tmp_path, elsewhere))
    assert here["response"].to_list() == there["response"].to_list()


def test_a_second_read_comes_from_the_cache_until_a_byte_changes(entry, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = read(entry, cache)
    monkeypatch.setattr("asteer_core.datasets.intake.labelled_rows", None)
    again = read(entry, cache)
    assert again.rows.equals(first.rows) and again.dropped == first.dropped
    assert read({**entry, "notes": "words"}, cache).rows.equals(first.rows)
    with (tmp_path / "all.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(TypeError):  # it reads again, which the patch above forbids
        read(entry, cache)


def test_a_torn_cache_file_is_made_again(entry, tmp_path):
    first = read(entry, tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:50])
    assert read(entry, tmp_path / "cache").rows.equals(first.rows)


def test_the_identity_changes_with_the_bytes_and_the_description_only(entry, tmp_path):
    before = dataset_identity(resolve(entry, "here"))
    assert dataset_identity(resolve({**entry, "title": "words"}, "here")) == before
    assert dataset_identity(resolve({**entry, "seed": 1}, "here")) != before
    write(tmp_path / "all.jsonl", ROWS[1:])
    assert dataset_identity(resolve(entry, "here")) != before


WRONG = {
    "all.jsonl: 30 labels are outside the label map: 'bad' (30), such as in rows 2, 4, 6": {"label_map": {"ok": 0}},
    "usable test rows, but take.test asks for 500; lower it to": {"take": {"test": 500}},
    "no column 'answer'; the file has q, a, l, kind": {"columns": {"response": "answer", "label": "l"}},
    "none of 60 rows can be used (label bad maps to null: 30, label ok maps to null: 30)": {"label_map": {"ok": None, "bad": None}},
    "have label 0": {"label_map": {"ok": 0, "bad": None}},
    "put the label in quotes": {"label_map": {True: 1, "ok": 0}},
    "Input should be 0": {"label_map": {"ok": 0, "bad": 2}},
    "the shares add up to 1.5": {"splits": {"all": {"train": 1, "test": 0.5}}},
    "splits.validation: no such key under files (all)": {"splits": {"validation": "test"}},
    "take.test: the role is not under use (train)": {"use": ["train"], "take": {"test": 3}},
    "colums: Extra inputs": {"colums": {}},
    "forbids commercial use": {"license": "CC-BY-NC-4.0"},
    "sha256 is": {"sha256": {"all.jsonl": "00"}},
    "none.jsonl does not exist": {"files": {"all": "none.jsonl"}},
    "holds a query (SELECT)": {"where": "a IN (SELECT a FROM read_csv('/etc/passwd'))"},
    "looks at more than one record": {"columns": {"response": {"sql": "MAX(a)"}, "label": "l"}},
    "unsupported function 'read_csv'": {"columns": {"response": {"sql": "read_csv('/etc/passwd')"}, "label": "l"}},
    "is not a Polars SQL expression": {"columns": {"response": {"sql": "a ||"}, "label": "l"}},
    "kind: json": {"files": {"all": "array.json"}},
    "line 2 is not JSON": {"files": {"all": "broken.jsonl"}},
    "cannot be read as parquet": {"kind": "parquet"},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named_with_what_to_do(entry, tmp_path, message):
    (tmp_path / "array.json").write_text(json.dumps(ROWS, indent=1))
    (tmp_path / "broken.jsonl").write_text('{"q": "a", "a": "b", "l": "ok"}\n{"q": \n')
    with pytest.raises(DataError) as caught:
        read({**entry, **WRONG[message]})
    assert message in str(caught.value)


def test_groups_that_cross_splits_are_named_with_both_rows_or_dropped_on_demand(entry, tmp_path):
    write(tmp_path / "held.jsonl", [{**row, "a": f"other {row['a']}"} for row in ROWS[:10]])
    both = {**entry, "files": {"all": "all.jsonl", "held": "held.jsonl"}, "splits": {"all": "train", "held": "test"}}
    with pytest.raises(DataError, match=r"10 groups cross roles, such as .*all.jsonl, row 1 \(train\) and .*held.jsonl, row 1 \(test\)"):
        read(both)
    intake = read({**both, "crossing": "drop"})
    assert intake.dropped == {"group stands in a role nearer to the test": 10} and intake.counts["n"].sum() == 60


def test_a_data_set_of_one_class_may_still_train(entry):
    rows = read({**entry, "label_map": {"ok": 0, "bad": None}, "use": ["train"]}).rows
    assert set(rows["split"]) == {"detector_negatives"}
