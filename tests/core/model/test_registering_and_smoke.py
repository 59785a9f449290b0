"""A model of one's own: its entry in the home's registry, and the trial before a study depends on it."""

from pathlib import Path

import pytest

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model.available import available_models
from asteer_core.model.registering import add_model
from asteer_core.model.smoke import try_model
from asteer_core.model.specs import ModelSpec, load_registry
from asteer_core.model.steering import Steering
from asteer_core.paths import data_root


def test_an_added_model_is_available_and_what_stood_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("# mine\n- {name: first, source: owner/first}")
    added = add_model(
        ModelSpec(name="second", source="owner/second", scorer="llama-3m", dtype="bf16", revision="abc"), tmp_path, data_root()
    )
    assert added == file and file.read_text().startswith("# mine\n- {name: first")
    found = available_models(tmp_path, data_root())
    assert not found.problems and found.get("second").dtype == "bfloat16" and found.get("second").revision == "abc"
    assert found.get("first").source == "owner/first"


def test_a_first_model_begins_a_commented_file(tmp_path: Path) -> None:
    file = add_model(ModelSpec(name="mine", source="owner/mine"), tmp_path / "new", data_root())
    assert file.read_text().startswith("# Your own models.") and list(load_registry(file)) == ["mine"]


@pytest.mark.parametrize(
    "spec, message",
    [
        (ModelSpec(name="llama-3m", source="a/b"), "registered already"),
        (ModelSpec(name="mine", source="a/b", scorer="lama-3m"), "Did you mean 'llama-3m'"),
        (ModelSpec(name="mine", source="a/b", scorer="mine"), "scorer is the model itself"),
    ],
)
def test_an_entry_that_could_not_be_used_is_not_written(tmp_path: Path, spec: ModelSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        add_model(spec, tmp_path, data_root())
    assert not (tmp_path / "models.yaml").exists()


def test_a_broken_registry_is_not_made_worse(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("- {name: [")
    with pytest.raises(ConfigError, match="not YAML"):
        add_model(ModelSpec(name="mine", source="a/b"), tmp_path, data_root())
    assert (tmp_path / "models.yaml").read_text() == "- {name: ["


def test_a_trial_says_what_a_model_is_and_that_steering_reaches_it() -> None:
    found = try_model(load_registry(data_root() / "models.yaml")["neox-2m"], data_root())
    assert found.blocks == 4 or found.blocks > 1
    assert found.parameters > 1e6 and found.memory >= 4 * found.parameters * 0.9 and found.tokens_per_second > 0
    assert found.texts != found.steered and len(found.texts) == 2


def test_a_model_that_steering_does_not_reach_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Steering._edit

    def without_effect(self, tables, hidden, entry, tally):
        real(self, tables, hidden, entry, tally)
        return hidden

    monkeypatch.setattr(Steering, "_edit", without_effect)
    with pytest.raises(ModelError, match="changed no reply"):
        try_model(load_registry(data_root() / "models.yaml")["neox-2m"], data_root())
