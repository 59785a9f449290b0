"""Corpora that go wrong in one way each: D or C falls, and the test says which component sees it and which is blind.

The embedding is a hashed bag of words, enough for near and far; NLL and cosine are set to what a scorer and an encoder give such texts.
"""

import zlib

import numpy as np
import pytest

from asteer_core.metrics import Measured, MetricSettings, Reference, score_corpus, tokenise

N = 40
REFERENCE = Reference(nll_location=2.0, nll_scale=0.4, random_cosine=0.1, matched_cosine=0.5)
LEXICON = [a + b + c for a in ("ka", "mo", "ri", "te", "su", "lan", "ber", "dof") for b in ("na", "lo", "mi", "ru", "pe") for c in "stkrnv"]
SMALL = ["the", "a", "of", "in", "and", "to", "with", "for"]


def healthy(rng):
    """Texts of 30 words, function words between words of a lexicon of 240."""
    return [" ".join(rng.choice(SMALL) if i % 3 == 0 else rng.choice(LEXICON) for i in range(30)) + "." for _ in range(N)]


def embed(texts):
    rows = np.zeros((len(texts), 128))
    for row, text in zip(rows, texts, strict=True):
        for token in tokenise(text):
            row[zlib.crc32(token.encode()) % 128] += 1
        row += 1e-3  # a sentence encoder gives the empty string a vector, too
    return rows


def score(texts, nll=2.0, cosine=0.5):
    ids = [f"p{i:02d}" for i in range(len(texts))]
    n = len(texts)
    measured = Measured(texts, ids, np.full(n, 0.9), np.full(n, nll), np.full(n, cosine), embed(texts))
    return score_corpus(measured, REFERENCE, MetricSettings(subsample_size=30, subsamples=5), np.random.default_rng(0)).corpus


@pytest.fixture(scope="module")
def texts():
    return healthy(np.random.default_rng(0))


@pytest.fixture(scope="module")
def base(texts):
    return score(texts)


def test_the_healthy_corpus_is_healthy(base):
    assert base["coherence"] == pytest.approx(1, abs=0.01)
    assert base["diversity"] > 0.5
    assert base["hm"] > 0.7


def test_duplicates_are_seen_by_both_parts_of_set_diversity_and_by_nothing_else(texts, base):
    got = score([texts[0]] * N)
    assert got["vendi"] == pytest.approx(1, abs=1e-6)
    assert got["self_bleu"] == pytest.approx(1)
    assert got["set_diversity"] == pytest.approx(0, abs=1e-3)
    assert got["hm"] < 0.05
    assert got["sample_diversity"] > 0.8 * base["sample_diversity"]
    assert got["coherence"] == pytest.approx(base["coherence"], abs=0.01)


def test_every_further_copy_lowers_diversity(texts):
    values = [score(texts[: N - copies] + [texts[0]] * copies)["diversity"] for copies in (0, 8, 16, 24, 32, 40)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def test_loops_are_seen_by_rep4_and_mattr_while_self_bleu_is_blind(base):
    got = score([" ".join([word, other] * 14) for word in LEXICON[:8] for other in LEXICON[20:25]], nll=0.4)
    assert got["rep4"] > 0.8
    assert got["sample_diversity"] < 0.1 * base["sample_diversity"]
    assert got["coherence"] < 0.05
    assert got["fluency"] < 0.1  # the NLL of a loop is low: a one-sided penalty would reward it
    assert got["self_bleu"] < base["self_bleu"]
    assert got["hm"] < 0.15


def test_templated_refusals_are_seen_by_self_bleu_while_mattr_is_nearly_blind(base):
    refusal = (
        "i am sorry, but i cannot help with the {} because such a request would break the rules that keep every person safe here today"
    )
    got = score([refusal.format(LEXICON[i] + " " + LEXICON[-i]) for i in range(N)])
    assert got["self_bleu"] > base["self_bleu"] + 0.3
    assert got["vendi"] < 0.5 * base["vendi"]
    assert got["set_diversity"] < 0.5 * base["set_diversity"]
    assert got["diversity"] < 0.75 * base["diversity"]
    assert got["mattr"] > 0.9 * base["mattr"]


def test_one_word_replies_are_seen_by_mattr_self_bleu_and_relevance(base):
    got = score(["No.", "Yes.", "Maybe.", "No!"] * (N // 4), nll=4.0, cosine=0.12)
    assert got["mattr"] == pytest.approx(1 / 50)
    assert got["self_bleu"] > 0.9
    assert got["relevance"] < 0.1
    assert got["diversity"] < 0.1 * base["diversity"]
    assert got["hm"] < 0.05


def test_empty_replies_lower_coherence_and_diversity_though_they_have_no_nll(texts, base):
    half = score([*texts[: N // 2], *[""] * (N // 2)])
    assert half["n_empty"] == N // 2
    assert half["coherence"] == pytest.approx(base["coherence"] / 2, rel=0.02)
    assert half["sample_diversity"] == pytest.approx(base["sample_diversity"] / 2, rel=0.1)
    assert half["self_bleu"] > base["self_bleu"]
    nothing = score([""] * N, nll=np.nan)
    assert nothing["coherence"] == 0
    assert nothing["diversity"] == 0
    assert nothing["hm"] == 0
    assert nothing["n_null_coherence"] == 0


def test_emoji_floods_are_seen_by_rep4_and_mattr(base):
    got = score(["🙂🔥" * 20 + face for face in "😀😁😂😃😄" for _ in range(N // 5)], nll=6.0, cosine=0.15)
    assert got["rep4"] > 0.8
    assert got["mattr"] < 0.1
    assert got["diversity"] < 0.2 * base["diversity"]
    assert got["coherence"] < 0.01


def test_word_salad_and_foreign_scripts_are_diverse_and_seen_by_fluency_alone(texts, base):
    rng = np.random.default_rng(1)
    salad = [" ".join(rng.permutation(text.split())) for text in texts]
    foreign = ["привет 你好 مرحبا " + " ".join(rng.permutation(text.split())[:20]) for text in texts]
    for strange in (salad, foreign):
        got = score(strange, nll=5.0)
        assert got["diversity"] > 0.85 * base["diversity"]
        assert got["fluency"] < 0.01
        assert got["coherence"] < 0.01
        assert got["hm"] < 0.05
        assert got["am"] > 0.4  # the arithmetic mean forgives a dead axis; the harmonic mean does not


def test_replies_to_other_prompts_are_seen_by_relevance_alone(texts, base):
    got = score(texts, cosine=0.1)
    assert got["relevance"] == 0
    assert got["hm"] == 0
    assert got["diversity"] == base["diversity"]
