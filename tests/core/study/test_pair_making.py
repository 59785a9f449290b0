"""Pairs that a model writes: kept only where judge and coherence agree, told why not, reused while nothing changed."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.concepts import load_concept
from asteer_core.errors import AsteerError, ConfigError, DataError
from asteer_core.study.pair_making import Making, choose_pairs, make_pairs, write_concept, write_pairs
from asteer_core.types import Sampling


def reply(prompt, side, text, probability, coherence=0.9, split="extraction"):
    return {
        "id": prompt, "group": prompt, "split": split, "prompt": f"{prompt}?", "side": side, "text": text,
        "probability": probability, "coherence": coherence,
    }  # fmt: skip


SCHEMA = {
    **dict.fromkeys(("id", "group", "split", "prompt", "side", "text"), pl.String), "probability": pl.Float64, "coherence": pl.Float64,
}  # fmt: skip


def candidates(*rows):
    return pl.DataFrame(list(rows), schema=SCHEMA)


def test_the_surest_coherent_reply_of_each_side_makes_the_pair():
    found = candidates(
        reply("a", "violating", "sure but broken", 0.99, 0.1),
        reply("a", "violating", "less sure", 0.7),
        reply("a", "violating", "surest", 0.8),
        reply("a", "compliant", "kind", 0.1),
        reply("a", "compliant", "kinder", 0.05),
        reply("a", "compliant", "kindest but broken", 0.0, None),
    )
    pairs, dropped = choose_pairs(found, 0.5, 0.3)
    assert pairs.select("id", "prompt", "violating", "compliant").rows() == [("a", "a?", "surest", "kinder")] and not dropped


@pytest.mark.parametrize(
    ("violating", "compliant", "reason"),
    [
        ((0.9, 0.1), (0.1, 0.9), "no coherent violating reply"),
        ((0.9, None), (0.1, 0.9), "no coherent violating reply"),
        ((0.4, 0.9), (0.1, 0.9), "the judge saw no violation in the violating reply"),
        ((None, 0.9), (0.1, 0.9), "the judge saw no violation in the violating reply"),
        ((0.9, 0.9), (0.6, 0.9), "the judge saw a violation in the compliant reply"),
        ((0.9, 0.9), (None, 0.9), "the judge saw a violation in the compliant reply"),
        ((0.9, 0.9), (0.1, 0.1), "no coherent compliant reply"),
    ],
)
def test_what_is_dropped_is_counted_under_its_reason(violating, compliant, reason):
    pairs, dropped = choose_pairs(candidates(reply("a", "violating", "v", *violating), reply("a", "compliant", "c", *compliant)), 0.5, 0.3)
    assert pairs.is_empty() and dict(dropped) == {reason: 1}


UNIT = st.none() | st.floats(0, 1)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["violating", "compliant"]), UNIT, UNIT), max_size=12), st.floats(0.5, 0.99)
)
def test_every_pair_passes_both_bars_and_every_prompt_is_kept_or_dropped(rows, trait):
    found = candidates(*(reply(name, side, f"{p} {c}", p, c) for name, side, p, c in rows))
    pairs, dropped = choose_pairs(found, trait, 0.3)
    assert pairs.height + dropped.total() == found["id"].n_unique()
    for row in pairs.rows(named=True):
        (p, c), (q, d) = (map(float, row[side].split()) for side in ("violating", "compliant"))
        assert p >= trait and q <= 1 - trait and min(c, d) >= 0.3


MAKING = Making(samples=1, limit=20, coherence=0.05, sampling=Sampling(max_new_tokens=40, min_new_tokens=4, temperature=0.9))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def made(home, small_data):
    """Pairs that a shipped model wrote."""
    return make_pairs("toxicity", "llama-3m", MAKING, home=home, data_root=small_data)


def test_a_shipped_model_writes_pairs_that_its_concepts_judge_agrees_with(made):
    assert not made.reused and made.asked == 20 and made.pairs.height + sum(made.dropped.values()) == 20
    assert 2 <= made.pairs.height < 20 and set(made.pairs["split"]) == {"extraction", "extraction_heldout"}
    scores = pl.read_parquet(made.candidates)
    assert scores.height == 40
    means = dict(scores.group_by("side").agg(pl.col("probability").mean()).rows())
    assert means["violating"] > means["compliant"] + 0.2


def test_other_bars_reuse_the_replies_and_other_prompts_do_not(made, home, small_data, monkeypatch):
    from asteer_core.study import pair_making

    def refuse(*_):
        raise AssertionError("the replies were written again")

    monkeypatch.setattr(pair_making, "_write", refuse)
    stricter = Making(**{**vars(MAKING), "trait": 0.6})
    again = make_pairs("toxicity", "llama-3m", stricter, home=home, data_root=small_data)
    assert again.reused and again.candidates == made.candidates and again.pairs.height <= made.pairs.height
    for change in ({"limit": 10}, {"violating_systems": ("Be rude.",)}, {"seed": 1}, {"samples": 2}):
        with pytest.raises(AssertionError, match="written again"):
            make_pairs("toxicity", "llama-3m", Making(**{**vars(MAKING), **change}), home=home, data_root=small_data)


def test_the_pairs_are_a_concept_of_their_own_that_loads(made, home, small_data, tmp_path):
    folder = write_concept(made, "toxicity", "toxicity-own", home=home, data_root=small_data)
    concept = load_concept("toxicity-own", home / "concepts")
    assert concept.pairs.equals(made.pairs) and concept.folder == folder
    with pytest.raises(ConfigError, match="is there already"):
        write_concept(made, "toxicity", "toxicity-own", home=home, data_root=small_data)
    write_pairs(made, tmp_path / "pairs.jsonl")
    assert len((tmp_path / "pairs.jsonl").read_text().splitlines()) == made.pairs.height


def test_prompts_alone_are_enough_and_a_bar_that_nothing_passes_says_so(home, small_data, tmp_path):
    path = tmp_path / "prompts.jsonl"
    prompts = load_concept("toxicity", small_data / "concepts").prompts["prompt"].head(20)
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    making = Making(samples=1, coherence=0.99, sampling=Sampling(max_new_tokens=12, min_new_tokens=4))
    with pytest.raises(DataError, match=r"of \d+ prompts of split 'extraction\w*' no pair is left \(no coherent \w+ reply: \d"):
        make_pairs("toxicity", "llama-3m", making, prompts=path, home=home, data_root=small_data)
    path.write_text("".join(json.dumps({"prompt": f"How do I bake bread number {number}?"}) + "\n" for number in range(4)))
    with pytest.raises(DataError, match="no usable reference .*give more prompts, on different matters"):
        make_pairs("toxicity", "llama-3m", making, prompts=path, home=home, data_root=small_data)
    path.write_text('{"question": "x"}\n')
    with pytest.raises(DataError, match="line 1: prompt is missing"):
        make_pairs("toxicity", "llama-3m", making, prompts=path, home=home, data_root=small_data)


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"limit": 1}, {"trait": 0.4}, {"trait": 1.0}, {"coherence": 1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(AsteerError, match=next(iter(wrong))):
        Making(**wrong)
