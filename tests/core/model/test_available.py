"""The user's own models beside the shipped ones: found, claimed once, and one broken entry takes no other with it."""

import json

import pytest

from asteer_core.errors import ConfigError
from asteer_core.model.available import available_models

SHIPPED = "- {name: shipped, source: models/shipped}\n- {name: other, source: models/other}\n"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "models.yaml").write_text(SHIPPED)
    return folder


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / "models").mkdir(parents=True)
    return folder


def drop(home, name, files=("config.json", "model.safetensors")):
    folder = home / "models" / name
    folder.mkdir()
    for file in files:
        (folder / file).write_text("{}")
    return folder


def test_without_a_home_there_are_the_shipped_models(data, tmp_path):
    found = available_models(tmp_path / "nowhere", data)
    assert list(found.specs) == ["shipped", "other"] and not found.problems


def test_a_folder_and_an_entry_stand_beside_the_shipped_models(data, home):
    folder = drop(home, "dropped")
    (home / "models.yaml").write_text("- {name: hub, source: owner/name, scorer: dropped}")
    found = available_models(home, data)
    assert list(found.specs) == ["shipped", "other", "hub", "dropped"]
    assert found.get("dropped").source == str(folder) and found.get("hub").source == "owner/name"


def test_a_folder_that_an_entry_names_is_that_entry(data, home):
    folder = drop(home, "Llama-8B")
    (home / "models.yaml").write_text("- {name: mine, source: models/Llama-8B, dtype: bf16}")
    found = available_models(home, data)
    assert found.get("mine").source == str(folder) and found.get("mine").dtype == "bfloat16"
    assert list(found.specs) == ["shipped", "other", "mine"] and not found.problems


def test_a_folder_counts_once_it_is_complete(data, home):
    folder = drop(home, "copying", files=("config.json",))
    assert "copying" not in available_models(home, data).specs
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    (folder / "1.safetensors").touch()
    assert "copying" not in available_models(home, data).specs
    (folder / "2.safetensors").touch()
    assert "copying" in available_models(home, data).specs


@pytest.mark.parametrize(
    ("entry", "asked", "says"),
    [
        ("- {name: a, sorce: x}", "a", "entry 1 \\('a'\\): unknown key 'sorce'. Did you mean 'source'"),
        ("- {name: shipped, source: x}", "shipped", "ships with asteer"),
        ("- {name: a, source: x, scorer: othr}", "a", "unknown scorer 'othr'. Did you mean 'other'"),
        ("- {name: a, source: x}\n- {name: a, source: y}", "a", "entry 2.*used by an earlier entry"),
        ("- {name: dropped, source: x}", "dropped", "another source, and the folder"),
        ("- {name: a", "a", "unknown model 'a'.*not YAML"),
    ],
)
def test_a_broken_entry_is_told_when_it_is_asked_for_and_the_others_stay(data, home, entry, asked, says):
    drop(home, "dropped")
    drop(home, "fine")
    (home / "models.yaml").write_text(entry)
    found = available_models(home, data)
    with pytest.raises(ConfigError, match=says):
        found.get(asked)
    assert {"other", "fine"} <= set(found.specs)


def test_a_folder_with_a_name_that_no_key_can_hold_says_how_to_name_it(data, home):
    folder = drop(home, "Big Model")
    assert "rename the folder, or list it" in available_models(home, data).problems[str(folder)]


def test_retired_models_are_named_but_not_current(data, home):
    (home / "models.yaml").write_text("- {name: old, source: x/y, retired: true}")
    found = available_models(home, data)
    assert found.get("old").retired and found.current() == ["shipped", "other"]
