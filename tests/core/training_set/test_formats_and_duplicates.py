"""Files of a training set as other tools read them, formulas made harmless, duplicates left out."""

import csv
import json

import polars as pl
import pytest

from asteer_core.training_set.duplicates import first_of_each
from asteer_core.training_set.formats import FORMATS, neutral

HOSTILE = ["=cmd|'/c calc'!A1", "  +1", "@SUM(A1)", "-2+3", "\t=1", 'plain, "quoted"\nline', "\x1b[31mred", "＝1", "naïve 😀", ""]


@pytest.fixture
def rows():
    n = len(HOSTILE)
    return pl.DataFrame(
        {
            "prompt": [f"question {i}" for i in range(n)], "response": HOSTILE, "label": [1] * (n - 1) + [0], "source": ["steered"] * n,
            "row_id": [f"r{i}" for i in range(n)], "configuration_id": ["c:m:caa#1"] * n, "strength": [0.5] * (n - 1) + [None],
            "success": [0.9] * n, "coherence": [None] * n, "judge_probability": [0.9] * (n - 1) + [None],
        },
        schema_overrides={"coherence": pl.Float64},
    )  # fmt: skip


def test_parquet_and_jsonl_give_back_every_value(rows, tmp_path):
    for name in ("parquet", "jsonl"):
        FORMATS[name](rows, tmp_path)
    assert pl.read_parquet(tmp_path / "train.parquet").equals(rows)
    assert [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()] == rows.to_dicts()
    assert "\x1b" not in (tmp_path / "train.jsonl").read_text()


def test_no_cell_of_the_csv_is_a_formula_and_other_text_is_untouched(rows, tmp_path):
    FORMATS["csv"](rows, tmp_path)
    with (tmp_path / "train.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    for before, after in zip(HOSTILE, read, strict=True):
        assert not after["response"].lstrip().startswith(("=", "+", "-", "@", "＝"))
        assert after["response"] in (before, f"'{before}")
    assert neutral("plain") == "plain" and neutral(None) is None


def test_chat_rows_are_messages_with_label_and_provenance(rows, tmp_path):
    FORMATS["chat"](rows, tmp_path)
    first = json.loads((tmp_path / "chat.jsonl").read_text().splitlines()[0])
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"]
    assert first["messages"][1]["content"] == HOSTILE[0] and first["label"] == 1 and first["metadata"]["row_id"] == "r0"


def test_annotation_tools_get_the_judges_view_as_a_suggestion_and_none_where_there_is_none(rows, tmp_path):
    FORMATS["argilla"](rows, tmp_path)
    FORMATS["label-studio"](rows, tmp_path)
    records = json.loads((tmp_path / "argilla.json").read_text())
    assert records[0]["suggestions"] == {"violates": {"value": "yes", "score": 0.9, "agent": "asteer judge"}}
    assert records[-1]["suggestions"] == {} and records[0]["fields"]["response"] == HOSTILE[0]
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    assert tasks[0]["predictions"][0]["result"][0]["value"]["choices"] == ["yes"] and "predictions" not in tasks[-1]
    interface = (tmp_path / "label_studio.xml").read_text()
    for name in (tasks[0]["predictions"][0]["result"][0][key] for key in ("from_name", "to_name")):
        assert f'name="{name}"' in interface


def test_the_first_of_near_identical_texts_stays():
    text = "the same long answer about feeding a sourdough starter twice a day in warm weather"
    texts = [text, text.upper() + "!", text + " again", "something else", "", "something else."]
    assert first_of_each(texts).tolist() == [True, False, False, True, False, False]


def test_texts_that_share_two_thirds_of_their_words_are_both_kept():
    words = [f"word{i}" for i in range(40)]
    # 16 of 36 word 5-grams in common: alike, and far from the limit of .8.
    assert first_of_each([" ".join(words[:30]), " ".join(words[:20] + words[30:])]).all()
