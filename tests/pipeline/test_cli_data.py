"""`asteer data`: what a data set would give, shown before a study reads it."""

import json

import pytest
import yaml

from asteer_pipeline.cli import main


@pytest.fixture(autouse=True)
def described(tmp_path, monkeypatch):
    """A folder with `mine.yaml`, which describes `mine.jsonl`: 40 rows, one of them without a label."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    rows = [{"q": f"prompt {n}", "a": f"[red]reply {n}", "l": (None if n == 0 else n % 2)} for n in range(40)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    card = {
        "kind": "jsonl", "license": "own \x1b[31m", "path": ".", "files": {"all": "mine.jsonl"},
        "columns": {"prompt": "q", "response": "a", "label": "l"}, "splits": {"all": {"train": 0.5, "test": 0.5}},
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    return tmp_path


def test_the_recipes_are_listed_with_licence_and_home_page(capsys):
    assert main(["data", "recipes"]) == 0
    shown = capsys.readouterr().out
    assert "diasafety" in shown and "Apache-2.0" in shown and "https://github.com/thu-coai/DiaSafety" in shown
    assert main(["data", "recipes", "--json"]) == 0
    assert {"beavertails", "xstest"} <= {json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()}


def test_a_check_shows_what_is_used_and_why_the_rest_is_dropped(capsys):
    assert main(["data", "check", "mine.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "mine: 39 of 40 rows are used" in shown and "detector_negatives" in shown and "no label" in shown and "\x1b[31m" not in shown
    assert main(["data", "check", "mine.yaml", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dropped"] == {"no label": 1} and sum(row["n"] for row in report["counts"]) == 39


def test_a_check_of_a_concept_says_what_it_is_tested_on(capsys):
    assert main(["data", "check", "toxicity"]) == 0
    assert "tested on real.jsonl (in-domain)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diasafty"], "Did you mean 'diasafety'"),
        (["diasafety"], "train.json does not exist; get it from https://github.com/thu-coai/DiaSafety"),
        (["beavertails"], "allow_noncommercial"),
        (["none.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_checked_is_one_message(capsys, arguments, message):
    assert main(["data", "check", *arguments]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")
