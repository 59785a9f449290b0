"""Study files, concept cards, model registries and recipes with anything in any place end in a value or in an error that says where."""

import json

import pytest
import yaml
from conftest import STUDY
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import NASTY, budget, changed, corrupted, ends, values, words

from asteer_core.concepts.card import read_card
from asteer_core.datasets import resolve
from asteer_core.errors import AsteerError, ConfigError, DataError
from asteer_core.model.specs import load_registry
from asteer_core.paths import data_root
from asteer_core.study import load_study, parse_study, plan

TEXT = yaml.safe_dump(STUDY)
CARD = yaml.safe_load((data_root() / "concepts" / "evasion" / "concept.yaml").read_text())
MODELS = yaml.safe_load((data_root() / "models.yaml").read_text())
RECIPES = [yaml.safe_load(file.read_text()) for file in sorted((data_root() / "recipes").glob("*.yaml"))]


@budget(260)
@given(document=changed(STUDY))
def test_a_study_file_with_anything_in_it(tmp_path, document):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def load():
        study = load_study(file, tmp_path)
        found = plan(study, lambda model: 4)
        assert all("/" not in key and ".." not in key for key in found.configuration_keys)

    ends("study file", load, "study.yaml", "unknown ", "grid entry", "name '")


@budget(160)
@given(content=corrupted(TEXT.encode()) | st.binary(max_size=60))
@example(b"[" * 5000)
@example(b"a: 2024-13-40")
@example(b"a: !!int x")
@example(b"a: !!python/object/apply:os.system [id]")
@example(b"a: &a [*a]")
@example(b"a: &a [" + b"x, " * 20 + b"]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b"*%c, " % (97 + n) * 20) for n in range(8)))
@example(b"a: " + b"9" * 5000)
@example(b"? [a]\n: b")
@example(b"\xff\xfe")
def test_a_study_file_of_any_bytes(tmp_path, content):
    (tmp_path / "study.yaml").write_bytes(content)
    ends("study file", lambda: load_study(tmp_path / "study.yaml", tmp_path), "study.yaml")


@budget(160)
@given(document=changed(CARD))
def test_a_concept_card_with_anything_in_it(tmp_path, document):
    file = tmp_path / "concept.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    ends("concept card", lambda: read_card(file), "concept.yaml")


@budget(100)
@given(document=changed(MODELS))
def test_a_model_registry_with_anything_in_it(tmp_path, document):
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    ends("model registry", lambda: load_registry(file), "models.yaml")


@budget(100)
@given(data=st.data())
def test_a_recipe_with_anything_in_it(tmp_path, data):
    document = data.draw(changed(data.draw(st.sampled_from(RECIPES))))
    document = document if isinstance(document, dict) else {}
    ends("recipe", lambda: resolve({"name": "mine", **document}, "recipe.yaml", tmp_path), "recipe.yaml", "name '")


@budget(60)
@given(value=values)
def test_a_study_that_is_any_value(tmp_path, value):
    assert isinstance(ends("study file", lambda: parse_study(value, "study.yaml", tmp_path), "study.yaml"), AsteerError)


@budget(60)
@given(options=st.dictionaries(words, values, max_size=4))
def test_sampling_options_of_any_kind(tmp_path, options):
    document = {**STUDY, "sampling": {**STUDY["sampling"], **options}}
    ends("study file", lambda: parse_study(document, "study.yaml", tmp_path), "study.yaml")


def test_a_misspelt_sampling_option_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"study.yaml.*sampling.*max_new_token'.*Did you mean 'max_new_tokens'"):
        parse_study({**STUDY, "sampling": {"max_new_token": 5}}, "study.yaml", tmp_path)


@pytest.mark.parametrize("name", [name for name in NASTY if name not in ("null", "1e999")])
def test_no_name_leaves_its_folder_or_its_sql(tmp_path, name):
    for kind in ("name", "concepts", "models"):
        document = {**STUDY, kind: name if kind == "name" else [name]}
        found = ends("name", lambda document=document: parse_study(document, "study.yaml", tmp_path), "study.yaml")
        assert isinstance(found, ConfigError), (kind, name)
    card = tmp_path / "concept.yaml"
    card.write_text(json.dumps({**CARD, "name": name}), encoding="utf-8")
    assert isinstance(ends("name", lambda: read_card(card), "concept"), (ConfigError, DataError))


@pytest.mark.parametrize("name", ["../recipes/diasafety", "../../pyproject", "quick/../quick"])
def test_a_preset_is_named_and_not_a_path(name):
    with pytest.raises(ConfigError, match="unknown study"):
        load_study(name)
