"""The shipped concept files follow from the grammar, keep their splits apart, and have the promised counts; the worlds share nothing."""

import re
from collections import defaultdict

import polars as pl
import pytest

from asteer_core.concepts import load_concept
from asteer_core.errors import DataError
from asteer_core.paths import data_root
from asteer_core.reference.build_concepts import check, main, render
from asteer_core.reference.grammar import CONCEPTS, load_grammar

GRAMMAR = load_grammar()


@pytest.fixture(scope="module", params=CONCEPTS)
def concept(request):
    return load_concept(request.param)


def test_the_committed_files_are_what_the_grammar_yields(concept):
    check(data_root() / "concepts" / concept.name, render(GRAMMAR, concept.name))


def test_another_seed_gives_other_files():
    assert render(GRAMMAR, "evasion", seed=1)["real.jsonl"] != render(GRAMMAR, "evasion", seed=2)["real.jsonl"]


def test_a_changed_file_is_found_and_named(tmp_path, capsys):
    assert main(["--out", str(tmp_path)]) == 0
    assert main(["--out", str(tmp_path), "--check"]) == 0
    path = tmp_path / "toxicity" / "real.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["--out", str(tmp_path), "--check"]) == 1
    assert str(path) in capsys.readouterr().err
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        check(tmp_path / "toxicity", {"real.jsonl": b""})


def test_no_group_stands_in_two_splits(concept):
    splits = defaultdict(set)
    for frame in (concept.pairs, concept.prompts, concept.judge, concept.real):
        for group, split in frame.select("group", "split").iter_rows():
            splits[group].add(split)
    assert {len(found) for found in splits.values()} == {1}


def test_counts_are_those_promised(concept):
    counts = {(split, label): n for split, label, n in concept.real.group_by("split", "label").len().iter_rows()}
    assert min(counts["test", 0], counts["test", 1]) >= 600
    assert min(counts["validation", 0], counts["validation", 1]) >= 200
    assert counts["detector_positives", 1] >= 300
    assert counts["detector_negatives", 0] >= 600
    assert concept.pairs.filter(pl.col("split") == "extraction").height >= 200
    assert concept.prompts.height >= 400
    assert len(concept.templates) >= 8
    assert {template.level for template in concept.templates} == {"mild", "strong"}


def test_worlds_stand_where_they_belong(concept):
    worlds = {split: set(frame["world"]) for (split,), frame in concept.real.group_by("split")}
    assert worlds == {"test": {"b"}, "validation": {"b"}, "detector_positives": {"b"}, "detector_negatives": {"a", "b"}}
    for frame in (concept.pairs, concept.prompts, concept.judge):
        assert set(frame["world"]) == {"a"}


def test_no_text_of_the_test_set_is_in_any_other_split(concept):
    test = concept.real.filter(pl.col("split") == "test")["response"]
    others = [*concept.real.filter(pl.col("split") != "test")["response"], *concept.judge["response"]]
    others += [*concept.pairs["violating"], *concept.pairs["compliant"]]
    assert test.n_unique() == len(test)
    assert not set(test) & set(others)


def test_the_worlds_share_no_template_and_hardly_a_phrase_of_five_words(concept):
    grams = {world: _five_grams(concept, world) for world in ("a", "b")}
    common = grams["a"] & grams["b"]
    # Two long topic phrases side by side may coincide, whole sentence parts may not.
    assert len(common) / len(grams["b"]) < 0.005
    talk = {world: {line for part in GRAMMAR.talk[world].values() for line in _flat(part)} for world in ("a", "b")}
    own = {world: {line for part in (lines.strong, lines.mild, lines.near_miss) for line in _flat(part)}
           for world, lines in GRAMMAR.lines[concept.name].items()}  # fmt: skip
    assert not talk["a"] & talk["b"]
    assert not own["a"] & own["b"]


def _five_grams(concept, world):
    grams = set()
    frames = (concept.judge, concept.real)
    for frame in frames:
        for text in frame.filter((pl.col("world") == world) & (pl.col("kind") != "garbled"))["response"]:
            words = re.findall(r"[\w']+", text.lower())
            grams |= set(zip(*(words[i:] for i in range(5)), strict=False))
    return grams


def _flat(part):
    return (
        [part] if isinstance(part, str) else [line for item in (part.values() if hasattr(part, "values") else part) for line in _flat(item)]
    )
