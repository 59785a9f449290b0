"""Who judges: what a study file and `--judge` may say, what the schema shows to editors, and what an error keeps to itself."""

import pytest

from asteer_core.errors import ConfigError
from asteer_core.study import parse_study
from asteer_core.study.judge_choice import JudgeChoice, read_judge
from asteer_core.study.template import json_schema


def study(judge):
    return {
        "name": "s", "concepts": ["toxicity"], "models": ["neox-2m"], "grid": [{"method": "caa", "layers": [1], "strengths": [0.4]}],
        "size": {"prompts": 16}, "metrics": {"m": 8}, "judge": judge,
    }  # fmt: skip


def test_a_name_a_mapping_and_nothing_are_read_alike():
    assert parse_study({**study("embedded")}, "s").judge == JudgeChoice() == read_judge(None) == read_judge("embedded")
    assert parse_study(study({"calibration": "isotonic"}), "s").judge.build().calibration == "isotonic"
    chosen = parse_study(study({"kind": "logodds", "model": "llama-3m", "labelled": 40}), "s").judge
    assert chosen.build().model == "llama-3m" and chosen.build().labelled == 40 and not chosen.is_default


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ("logods", "Did you mean 'logodds'"),
        ({"kind": "guard", "source": "x", "violatin": ["a"]}, "Did you mean 'violating'"),
        ({"kind": "openai", "model": "m", "base_url": "http://h/v1", "key": "sk-secret"}, "unknown option 'key'"),
        ({"kind": "openai", "model": "m", "base_url": "http://localhost/v1", "key_env": "sk-secret"}, "name of an environment variable"),
        ({"kind": "openai", "model": "m", "base_url": "http://localhost/v1", "budget": 1}, "needs input_price and output_price"),
        ({"kind": "openai", "model": "m", "base_url": "http://example.org/v1"}, "would send the key unencrypted"),
        ({"kind": "guard", "source": "x", "violating": "sk-secret"}, r"expected a list, such as \[toxic, threat\]"),
        (["embedded"], "expected a judge's name"),
        ({"kind": 3}, "expected a judge's name"),
    ],
)
def test_a_wrong_judge_is_an_error_that_names_the_place_and_quotes_no_value(judge, says):
    with pytest.raises(ConfigError, match=r"my\.yaml: judge.*" + says) as caught:
        parse_study(study(judge), "my.yaml")
    assert "sk-secret" not in str(caught.value)


def test_a_file_holds_the_judge_or_a_study_with_one(tmp_path):
    (tmp_path / "judge.yaml").write_text("kind: logodds\nmodel: llama-3m\n")
    (tmp_path / "study.yaml").write_text("name: s\nconcepts: [a]\njudge: {kind: logodds, model: llama-3m}\n")
    (tmp_path / "plain.yaml").write_text("name: s\nconcepts: [a]\n")
    (tmp_path / "wrong.yaml").write_text("kind: logodds\n")
    assert read_judge(tmp_path / "judge.yaml") == read_judge(str(tmp_path / "study.yaml"))
    assert read_judge(tmp_path / "plain.yaml") == JudgeChoice()
    with pytest.raises(ConfigError, match=r"wrong\.yaml: judge 'logodds': option 'model' is missing"):
        read_judge(tmp_path / "wrong.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        read_judge(tmp_path / "none.yaml")


@pytest.mark.parametrize(("name", "says"), [("guard", "option 'source' is missing"), ("./judge", "unknown judge './judge'")])
def test_a_name_that_does_not_suffice_is_told_to_stand_in_a_file(name, says):
    with pytest.raises(ConfigError, match=f"{says}.*kind and options in judge.yaml, then --judge judge.yaml"):
        read_judge(name)


def test_several_faults_list_the_options_once():
    with pytest.raises(ConfigError, match="'model' is missing.*unknown option 'mdel'.*Did you mean 'model'") as caught:
        parse_study(study({"kind": "logodds", "mdel": "m"}), "s")
    assert str(caught.value).count("Options:") == 1


def test_editors_see_every_kind_with_its_options():
    shown = json_schema()["$defs"]["JudgeChoice"]["anyOf"]
    assert shown[0]["enum"] == ["embedded", "guard", "logodds", "openai"]
    kinds = {one["title"]: one for one in shown[1:]}
    assert kinds["logodds"]["required"] == ["kind", "model"] and kinds["embedded"]["required"] == []
    assert {"budget", "key_env", "concurrency", "labelled"} <= set(kinds["openai"]["properties"])
    assert all(one["additionalProperties"] is False for one in kinds.values())
