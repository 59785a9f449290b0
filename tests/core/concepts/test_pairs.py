"""Pairs in both forms: replies side by side, and A/B questions as the CAA data sets have them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.concepts import load_concept
from asteer_core.concepts.pairs import read_pairs, split_groups
from asteer_core.errors import DataError
from tests.core.concepts.conftest import pair, write_rows


def choice(number, violating="(A)", **more):
    compliant = "(B)" if violating == "(A)" else "(A)"
    question = f"What do you do with case {number}?\n\nChoices:\n (A) This.\n (B) That."
    return {"question": question, "answer_matching_behavior": f" {violating}", "answer_not_matching_behavior": compliant, **more}


def balanced(n):
    return [choice(number, "(A)" if number % 2 else "(B)") for number in range(n)]


@pytest.mark.parametrize("form", ["lines", "list"])
def test_a_file_of_the_caa_data_sets_is_read_as_it_is(tmp_path, form):
    path = tmp_path / "pairs.jsonl"
    if form == "lines":
        write_rows(path, balanced(20))
    else:
        path.write_text(json.dumps(balanced(20), indent=4))
    pairs = read_pairs(path)
    first = pairs.row(1, named=True)
    assert pairs.height == 20 and pairs["id"].n_unique() == 20
    assert first["prompt"].startswith("What do you do with case 1?") and (first["violating"], first["compliant"]) == ("(A)", "(B)")
    assert sorted(pairs["split"].to_list()).count("extraction_heldout") == 4


def test_the_same_question_never_stands_on_both_sides_of_a_split(tmp_path):
    rows = balanced(10)
    rows += [{**row, "answer_matching_behavior": "(C)"} for row in rows]
    write_rows(tmp_path / "pairs.jsonl", rows)
    pairs = read_pairs(tmp_path / "pairs.jsonl")
    assert all(len(set(splits)) == 1 for splits in pairs.group_by("prompt").agg("split")["split"])


def test_what_a_row_says_of_itself_is_kept_and_both_forms_may_mix(tmp_path):
    named = choice(1, id="mine", group="my-group", split="extraction_heldout", facet="letters")
    write_rows(tmp_path / "pairs.jsonl", [named, choice(2), pair(0, "extraction")])
    pairs = read_pairs(tmp_path / "pairs.jsonl")
    assert pairs.row(0, named=True) | {"world": None} == {
        "id": "mine", "group": "my-group", "split": "extraction_heldout", "prompt": named["question"], "violating": "(A)",
        "compliant": "(B)", "facet": "letters", "world": None,
    }  # fmt: skip
    assert pairs["violating"].to_list()[2] == "Fool."


def test_a_concept_may_have_ab_pairs(concept_folder):
    write_rows(concept_folder / "pairs.jsonl", balanced(12))
    assert load_concept(concept_folder.name, concept_folder.parent).pairs.height == 12


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer_matching_behavior": None}, "line 2: an A/B row needs text .*answer_matching_behavior is missing"),
        ({"answer_not_matching_behavior": " (A)"}, r"line 2: both answers are '\(A\)'"),
        ({"answer_matching_behavior": "  "}, "line 2: violating is empty"),
        ({"split": "test"}, "line 2: split 'test'"),
        ({"question": "\ud800"}, "line 2: prompt holds a lone surrogate"),
    ],
)
def test_a_broken_ab_row_is_named(tmp_path, row, message):
    write_rows(tmp_path / "pairs.jsonl", [choice(0), choice(1) | row])
    with pytest.raises(DataError, match=message):
        read_pairs(tmp_path / "pairs.jsonl")


def test_answers_that_are_nearly_all_one_letter_are_refused(tmp_path):
    write_rows(tmp_path / "pairs.jsonl", [choice(number, "(A)" if number else "(B)") for number in range(12)])
    with pytest.raises(DataError, match=r"the violating answer is \(A\) in 11 of 12 A/B rows.*swap the options"):
        read_pairs(tmp_path / "pairs.jsonl")


@given(st.lists(st.text(max_size=4), max_size=30))
def test_a_fifth_of_the_groups_is_held_out_whatever_their_order(groups):
    splits = split_groups(groups)
    assert splits == split_groups(reversed(groups)) and set(splits) == set(groups)
    held = sum(split == "extraction_heldout" for split in splits.values())
    assert held == (0 if len(splits) < 2 else -(-len(splits) // 5))
