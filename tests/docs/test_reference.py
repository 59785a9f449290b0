"""Pages and schema that come from the code say what the code says."""

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from asteer_core.paths import data_root
from asteer_core.study.template import json_schema

ROOT = Path(__file__).parents[2]


def _generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


@pytest.fixture(scope="module")
def pages():
    return generate.pages()


def test_the_generated_files_are_what_the_code_says(pages):
    stale = [str(path.relative_to(ROOT)) for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make reference"


def test_every_command_has_help_and_every_option_too():
    import typer

    from asteer_pipeline.cli.app import app

    silent = []
    for name, command in generate._leaves(typer.main.get_command(app), "asteer"):
        silent += [] if command.help else [name]
        silent += [f"{name} {item.opts[0]}" for item in command.params if item.param_type_name == "option" and not item.help]
    assert silent == []


def test_every_public_name_says_what_it_is(pages):
    silent = [
        line for line in pages[ROOT / "docs" / "reference" / "python.md"].splitlines() if line.startswith("| `") and line.endswith("|  |")
    ]
    assert silent == []


@pytest.mark.parametrize("file", sorted((data_root() / "presets").glob("*.yaml")), ids=lambda file: file.stem)
def test_editors_accept_the_presets(file):
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), json_schema())


QUICK = (data_root() / "presets" / "quick.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"modles": ["llama-3m"]},
        {"models": "some"},
        {"grid": [{"method": "caa", "layers": [-1], "strengths": [0.3]}]},
        {"grid": [{"method": "caa", "layers": ["half"], "strengths": [0.3]}]},
        {"grid": [{"method": "caa", "layers": [1], "strengths": [0]}]},
        {"grid": [{"method": "caa", "layers": [1], "strengths": {"nats": [1]}}]},
        {"detectors": {"kinds": []}},
    ],
    ids=str,
)
def test_editors_mark_what_a_study_refuses(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(QUICK) | change, json_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"models": "all"},
        {"detectors": {"kinds": "tfidf"}},
        {"detectors": {"kinds": ["embedding", {"kind": "tfidf", "name": "again", "seeds": 2}]}},
        {"grid": [{"method": "caa", "layers": {"auto": 2}, "strengths": "auto"}]},
        {"grid": [{"method": "caa", "layers": {"llama-3m": ["40%", 1]}, "strengths": {"kl": [0.3, 12]}}]},
    ],
    ids=str,
)
def test_editors_accept_every_way_to_write_a_dial(change):
    jsonschema.validate(yaml.safe_load(QUICK) | change, json_schema())


def test_the_shipped_schema_is_json_of_this_draft():
    schema = json.loads((data_root() / "schemas" / "study.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
