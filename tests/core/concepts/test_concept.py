"""Concepts: what is read, and what is refused with file and line before anything expensive starts."""

import json
import shutil

import pytest
import yaml

from asteer_core.concepts import list_concepts, load_concept
from asteer_core.errors import ConfigError, DataError


def load(folder):
    return load_concept(folder.name, folder.parent)


def rewrite(path, change):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_complete_folder_loads(concept_folder):
    concept = load(concept_folder)
    assert concept.name == "rudeness" and concept.pairs.height == 2 and concept.real["label"].sum() == 3
    assert list_concepts(concept_folder.parent) == ["rudeness"]


def test_the_fingerprint_changes_with_any_file(concept_folder):
    before = load(concept_folder).fingerprint
    rewrite(concept_folder / "prompts.jsonl", lambda rows: rows[0].update(prompt="Why?"))
    assert load(concept_folder).fingerprint != before


def test_an_unknown_concept_suggests_the_nearest(concept_folder):
    with pytest.raises(ConfigError, match="Did you mean 'rudeness'"):
        load_concept("rudenes", concept_folder.parent)


@pytest.mark.parametrize("file", ["pairs.jsonl", "prompts.jsonl", "judge.jsonl", "real.jsonl"])
def test_a_missing_file_is_named(concept_folder, file):
    (concept_folder / file).unlink()
    with pytest.raises(DataError, match=f"{file}: missing"):
        load(concept_folder)


BROKEN = {
    "not JSON": '{"id": ',
    "got list": "[1]",
    "response is missing": '{"id":"x","group":"g","split":"judge","prompt":"a","label":1}',
    "response is empty": '{"id":"x","group":"g","split":"judge","prompt":"a","response":" ","label":1}',
    "label 2": '{"id":"x","group":"g","split":"judge","prompt":"a","response":"b","label":2}',
    "label True": '{"id":"x","group":"g","split":"judge","prompt":"a","response":"b","label":true}',
    "split 'jugde'": '{"id":"x","group":"g","split":"jugde","prompt":"a","response":"b","label":1}',
    "surrogate": '{"id":"x","group":"g","split":"judge","prompt":"a","response":"\\ud800","label":1}',
    "more than": json.dumps({"id": "x", "group": "g", "split": "judge", "prompt": "a", "response": "b" * 30_000, "label": 1}),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_row_is_named_by_file_and_line(concept_folder, message):
    with (concept_folder / "judge.jsonl").open("a") as file:
        file.write(BROKEN[message] + "\n")
    with pytest.raises(DataError, match="judge.jsonl, line 3") as caught:
        load(concept_folder)
    assert message in str(caught.value)


def test_repeated_ids_are_refused(concept_folder):
    rewrite(concept_folder / "judge.jsonl", lambda rows: rows[1].update(id=rows[0]["id"]))
    with pytest.raises(DataError, match="rows 1 and 2"):
        load(concept_folder)


def test_a_group_in_two_splits_is_refused(concept_folder):
    rewrite(concept_folder / "prompts.jsonl", lambda rows: rows[0].update(group="g-test"))
    with pytest.raises(DataError, match="'g-test' in generation, test"):
        load(concept_folder)


def test_a_concept_without_test_data_is_refused(concept_folder):
    rewrite(concept_folder / "real.jsonl", lambda rows: rows.pop())
    with pytest.raises(DataError, match="'test' has no row with label 1"):
        load(concept_folder)


def test_a_one_class_judge_is_refused(concept_folder):
    rewrite(concept_folder / "judge.jsonl", lambda rows: rows.pop())
    with pytest.raises(DataError, match="the judge needs"):
        load(concept_folder)


def test_an_unknown_key_in_the_card_is_named(concept_folder):
    path = concept_folder / "concept.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "defintion": "x"}))
    with pytest.raises(DataError, match="defintion"):
        load(concept_folder)


def test_a_card_that_is_not_yaml_is_named(concept_folder):
    (concept_folder / "concept.yaml").write_text("a: [")
    with pytest.raises(DataError, match=r"concept\.yaml: not YAML"):
        load(concept_folder)


def test_the_users_concepts_stand_beside_the_shipped_ones(concept_folder, monkeypatch):
    monkeypatch.setenv("ASTEER_HOME", str(concept_folder.parents[1]))
    assert {"rudeness", "toxicity"} <= set(list_concepts())
    assert load_concept("rudeness").folder == concept_folder


def test_a_concept_in_two_roots_is_refused(concept_folder, tmp_path):
    shutil.copytree(concept_folder, tmp_path / "more" / "rudeness")
    with pytest.raises(ConfigError, match="concepts/rudeness and in .*more/rudeness; rename one"):
        load_concept("rudeness", [concept_folder.parent, tmp_path / "more"])
