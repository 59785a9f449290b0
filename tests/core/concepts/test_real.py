"""Real data sets of a concept: what they add, what they may replace, and what their faults cost."""

import json

import pytest

from asteer_core.concepts import domains, load_concept
from asteer_core.errors import DataError
from tests.core.concepts.conftest import name_datasets


@pytest.fixture
def elsewhere(concept_folder):
    """Entries of two data sets: `chat` with all roles, `odd` for testing alone; their file lies in the concept's folder."""
    rows = [{"q": f"prompt {n}", "a": f"reply {n}", "l": n % 2} for n in range(60)]
    (concept_folder / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {"kind": "jsonl", "license": "own", "path": ".", "files": {"all": "chat.jsonl"}}
    columns = {"prompt": "q", "response": "a", "label": "l"}
    shares = {"train": 0.5, "validation": 0.2, "test": 0.3}
    chat = {**common, "name": "chat", "columns": columns, "splits": {"all": shares}}
    odd = {**common, "name": "odd", "columns": {**columns, "response": {"sql": "'odd ' || a"}}, "splits": {"all": "test"}}
    return chat, odd


def load(folder):
    return load_concept(folder.name, folder.parent, folder.parent / "cache")


def test_rows_of_data_sets_stand_beside_the_concepts_own_and_say_where_they_come_from(concept_folder, elsewhere):
    own = load(concept_folder).real
    name_datasets(concept_folder, *elsewhere)
    real = load(concept_folder).real
    counts = dict(real["source"].value_counts().rows())
    assert counts == {"real.jsonl": own.height, "chat": 60, "odd": 60} and real.columns == own.columns
    assert real["id"].n_unique() == real.height and set(real["world"].drop_nulls()) == {"b"}


def test_a_data_set_that_is_only_tested_on_is_out_of_domain(concept_folder, elsewhere):
    name_datasets(concept_folder, *elsewhere)
    assert domains(load(concept_folder).real) == {"real.jsonl": "in", "chat": "in", "odd": "out"}


def test_data_sets_may_take_the_place_of_the_concepts_own_file(concept_folder, elsewhere):
    (concept_folder / "real.jsonl").unlink()
    name_datasets(concept_folder, elsewhere[0])
    assert set(load(concept_folder).real["source"]) == {"chat"}
    name_datasets(concept_folder, elsewhere[1])
    with pytest.raises(DataError, match="data set odd: split 'detector_positives' has no row with label 1"):
        _ = load(concept_folder).real


def test_another_data_set_changes_what_detectors_depend_on_and_nothing_else(concept_folder, elsewhere):
    before = load(concept_folder)
    name_datasets(concept_folder, elsewhere[0])
    after = load(concept_folder)
    assert after.fingerprint == before.fingerprint and after.real_fingerprint != before.real_fingerprint
    with (concept_folder / "chat.jsonl").open("a") as file:
        file.write("\n")
    assert load(concept_folder).real_fingerprint not in (before.real_fingerprint, after.real_fingerprint)


def test_a_missing_file_is_named_when_the_rows_are_asked_for(concept_folder, elsewhere):
    name_datasets(concept_folder, {**elsewhere[0], "files": {"all": "none.jsonl"}})
    concept = load(concept_folder)
    for wanted in ("real", "real_fingerprint"):
        with pytest.raises(DataError, match=r"rudeness/none.jsonl does not exist"):
            getattr(concept, wanted)


def test_a_broken_entry_is_named_by_its_place_in_the_card(concept_folder, elsewhere):
    name_datasets(concept_folder, elsewhere[0], {**elsewhere[1], "kind": "excel"})
    with pytest.raises(DataError, match=r"concept.yaml: real\[1\]: kind"):
        load(concept_folder)


def test_one_name_for_two_data_sets_is_refused(concept_folder, elsewhere):
    name_datasets(concept_folder, elsewhere[0], {**elsewhere[1], "name": "chat"})
    with pytest.raises(DataError, match="'chat' stands twice"):
        _ = load(concept_folder).real
