"""Recipes: each one reads records of the shape it describes, and the user's own stand beside those that ship."""

import sys
from types import SimpleNamespace

import polars as pl
import pytest

from asteer_core.datasets import list_recipes, load_recipe, read_dataset, resolve
from asteer_core.errors import ConfigError, DataError

TURNS = "\n\nHuman: One?\n\nAssistant: First.\n\nHuman: Two {number}?\n\nAssistant: {reply}"


def records(recipe: str, own_split: str) -> list[dict]:
    """Return records in the published shape, enough that every drawn share of groups holds both labels."""
    shapes = {
        "beavertails": lambda n: {"prompt": f"p{own_split}{n}", "response": f"r{n}", "category": {"x": False}, "is_safe": n % 2 == 0},
        "diasafety": lambda n: {"context": f"c{own_split}{n}", "response": f"r{n}", "category": "x", "label": ("Safe", "Unsafe")[n % 2]},
        "halueval": lambda n: {"ID": str(n), "user_query": f"q{n}", "chatgpt_response": f"r{n}", "hallucination": ("no", "yes")[n % 2]},
        "halueval-qa": lambda n: {"knowledge": "k", "question": f"q{n}", "right_answer": "is", "hallucinated_answer": "is not"},
        "hh-rlhf": lambda n: {
            "chosen": TURNS.format(number=f"{own_split}{n}", reply="Yes.\n\nWell."),
            "rejected": TURNS.format(number=f"{own_split}{n}", reply="Nope."),
        },
        "or-bench": lambda n: {"prompt": f"p{own_split}{n}", "category": "x"},
        "toxicchat": lambda n: {"user_input": f"u{own_split}{n}", "model_output": "m", "toxicity": n % 2, "jailbreaking": 0},
        "truthfulqa": lambda n: {"question": f"q{n}", "best_answer": "a", "correct_answers": ["a", f"b{n}"], "incorrect_answers": ["c"]},
        "wildguardmix": lambda n: {
            "prompt": f"p{own_split}{n}",
            "response": None if n % 3 == 0 else f"r{n}",
            "response_harm_label": None if n % 3 == 0 else ("harmful", "unharmful")[n % 2],
        },
        "xstest": lambda n: {"prompt": f"p{n}", "response": f"r{n}", "label": ("harmful", "unharmful")[n % 2]},
    }
    return [shapes[recipe](number) for number in range(200)]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A function that lays down the files of a recipe, or a hub that serves them, and returns what reads them."""

    def lay(recipe: str):
        spec = load_recipe(recipe)
        if spec.kind == "hf":
            served = SimpleNamespace(
                load_dataset=lambda hub, config, split, revision, data_dir: SimpleNamespace(
                    to_polars=lambda: pl.DataFrame(records(recipe, split))
                )
            )
            monkeypatch.setitem(sys.modules, "datasets", served)
        for own_split, patterns in spec.files.items():
            path = tmp_path / patterns[0].removesuffix("*")
            path.parent.mkdir(parents=True, exist_ok=True)
            frame = pl.DataFrame(records(recipe, own_split))
            write = {"json": frame.write_json, "jsonl": frame.write_ndjson, "csv": frame.write_csv, "parquet": frame.write_parquet}
            write[spec.kind](path)
        update = {"path": str(tmp_path), "sha256": {}, "revision": spec.revision or "c0ffee", "allow_noncommercial": True}
        return spec.model_copy(update=update)

    return lay


@pytest.mark.parametrize("recipe", list_recipes())
def test_a_recipe_reads_records_of_the_published_shape(published, recipe):
    intake = read_dataset(published(recipe))
    assert set(intake.rows["label"]) == {0, 1} and "test" in set(intake.rows["split"])
    assert intake.read == intake.rows.height + sum(intake.dropped.values())
    assert intake.rows["response"].null_count() == 0 and set(intake.rows["source"]) == {recipe}


def test_a_dialogue_is_cut_before_its_last_reply(published):
    row = read_dataset(published("hh-rlhf")).rows.filter(pl.col("label") == 0).row(0, named=True)
    assert row["prompt"].startswith("\n\nHuman: One?\n\nAssistant: First.\n\nHuman: Two ") and "Yes" not in row["prompt"]
    assert row["response"] == " Yes.\n\nWell."


def test_every_recipe_says_where_its_data_is_and_under_which_licence():
    for spec in map(load_recipe, list_recipes()):
        assert spec.title and spec.license and spec.homepage.startswith("https://") and len(spec.notes) > 80


def test_a_recipe_that_forbids_commercial_use_is_refused_until_the_user_says_it_is_permitted(published):
    spec = published("beavertails").model_copy(update={"allow_noncommercial": False})
    with pytest.raises(DataError, match="allow_noncommercial: true"):
        read_dataset(spec)


def test_keys_beside_a_recipe_replace_those_of_the_recipe():
    spec = resolve({"recipe": "halueval", "take": {"test": 10}, "label_map": {"yes": 1, "no": None}}, "here")
    assert spec.take == {"test": 10} and spec.label_map == {"yes": 1, "no": None} and spec.license == "MIT"


def test_the_users_own_recipe_stands_beside_those_that_ship(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    (tmp_path / "recipes").mkdir()
    mine = tmp_path / "recipes" / "mine.yaml"
    mine.write_text("{kind: jsonl, license: own, files: {a: a.jsonl}, columns: {response: t, label: l}, splits: {a: train}}")
    assert "mine" in list_recipes() and load_recipe("mine").name == "mine"
    mine.rename(mine.with_name("xstest.yaml"))
    with pytest.raises(ConfigError, match="rename yours"):
        list_recipes()


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'diasafety'"):
        load_recipe("diasafty")
