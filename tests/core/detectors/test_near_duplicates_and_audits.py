"""Planted duplicates are found and counted by reason; planted confounds raise their flag, and clean arms none."""

from __future__ import annotations

import numpy as np
import pytest

from asteer_core.detectors import DuplicateIndex, Gates, TextSet, audit_arm, deduplicate, flags, generator_auroc, length_auroc
from asteer_core.errors import DataError

VOCABULARY = [f"word{i}" for i in range(400)]


def sentences(rng, count, length=40):
    return tuple(" ".join(rng.choice(VOCABULARY, length)) + "." for _ in range(count))


def test_each_planted_duplicate_goes_under_its_reason(rng):
    test, train = sentences(rng, 60), list(sentences(rng, 40))
    train[3] = test[5].upper().replace(" ", "   ") + "!!"  # same words
    words = test[9].split()
    train[8] = " ".join([*words[:-1], "other."])  # one word in forty
    vectors, others = rng.normal(size=(60, 32)), rng.normal(size=(40, 32))
    others[12] = vectors[20] + 0.01 * rng.normal(size=32)
    keep, counts = deduplicate(TextSet(tuple(train), others), TextSet(test, vectors))
    assert np.flatnonzero(~keep).tolist() == [3, 8, 12]
    assert counts == {"exact": 1, "minhash": 1, "cosine": 1, "kept": 37, "total": 40}


@pytest.mark.parametrize(("cosine", "kept"), [(0.94, True), (0.96, False)])
def test_embeddings_nearer_than_95_hundredths_are_duplicates(rng, cosine, kept):
    test = np.array([[2.0, 0.0]])
    train = np.array([[cosine, np.sqrt(1 - cosine**2)]]) * 5
    keep, _ = deduplicate(TextSet(sentences(rng, 1), train), TextSet(sentences(rng, 1), test))
    assert keep.tolist() == [kept]


def test_each_audit_reads_its_own_counts_and_is_flagged_beyond_its_gate_only(rng):
    arm, real = TextSet(sentences(rng, 40)), TextSet(sentences(rng, 40))
    report = audit_arm(arm, real, rng, duplicates={"kept": 95, "total": 100}, judged={"kept": 90, "total": 100})
    assert report["duplicate_share"] == pytest.approx(0.05) and report["judge_overlap"] == pytest.approx(0.1)
    assert flags(report | {"duplicate_share": 0.05, "length_auroc": 0.75}) == ["judge"]
    assert flags({"length_auroc": 0.2, "generator_auroc": 0.04, "duplicate_share": 0.051}) == ["length", "generator", "duplicates"]


def test_without_embeddings_cosine_is_unchecked_not_zero(rng):
    texts = sentences(rng, 10)
    keep, counts = deduplicate(TextSet(texts), TextSet(texts))
    assert not keep.any() and counts["exact"] == 10 and counts["cosine"] is None


def test_minhash_finds_what_exact_jaccard_finds(rng):
    test = sentences(rng, 30)
    train = []
    for text in test:
        words = text.split()
        for cut in range(0, 12, 2):
            train.append(" ".join(words[: 40 - cut]))
    keep, _ = DuplicateIndex(TextSet(test)).check(TextSet(tuple(train)))
    # Without the last c words, 36 - c of the 36 five-grams are left.
    truth = np.tile([(36 - cut) / 36 >= 0.8 for cut in range(0, 12, 2)], 30)
    assert (keep == ~truth).mean() > 0.98


def test_empty_texts_and_sets_are_handled(rng):
    keep, counts = deduplicate(TextSet(("", "?", "a b")), TextSet(("", "a  b!")))
    assert keep.tolist() == [False, True, False] and counts["total"] == 3
    assert deduplicate(TextSet(()), TextSet(("a",)))[1]["total"] == 0
    assert deduplicate(TextSet(("a",), np.ones((1, 3))), TextSet((), np.ones((0, 3))))[0].all()


def test_a_length_confound_is_flagged(rng):
    long, short = TextSet(sentences(rng, 60, 60)), TextSet(sentences(rng, 60, 20))
    assert length_auroc(long.texts, short.texts) == 1 and length_auroc(short.texts, long.texts) == 0
    assert audit_arm(long, short, rng)["flags"] == "length"
    assert audit_arm(short, long, rng)["flags"] == "length"


def test_a_generators_style_is_recognised_across_topics(rng):
    real, plain = sentences(rng, 80), sentences(rng, 80)
    styled = [text.replace(" ", ", ", 6) + " So it is!" for text in sentences(rng, 80)]
    assert generator_auroc(styled, real, rng) > 0.95
    assert abs(generator_auroc(plain, real, rng) - 0.5) < 0.15
    report = audit_arm(TextSet(tuple(styled)), TextSet(real), rng, real=TextSet(real))
    assert "generator" in report["flags"]


def test_a_clean_arm_has_no_flags_and_missing_audits_are_none(rng):
    report = audit_arm(TextSet(sentences(rng, 50)), TextSet(sentences(rng, 50)), rng, real=TextSet(sentences(rng, 3)))
    assert report["flags"] == "" and report["generator_auroc"] is None and report["duplicate_share"] is None
    assert report["positive_share"] == 0.5


def test_leaks_and_imbalance_are_flagged(rng):
    few, many = TextSet(sentences(rng, 5)), TextSet(sentences(rng, 200))
    report = audit_arm(few, many, rng, duplicates={"kept": 80, "total": 100})
    assert report["flags"] == "duplicates,balance" and report["duplicate_share"] == pytest.approx(0.2)
    assert flags(report, Gates(duplicates=0.3, minority=0.01)) == []


def test_audits_need_both_sides(rng):
    with pytest.raises(DataError, match="0 positive and 1 negative"):
        length_auroc([], ["a"])
    with pytest.raises(DataError, match="2 arm texts and 9 real texts"):
        generator_auroc(["a", "b"], ["c"] * 9, rng)
