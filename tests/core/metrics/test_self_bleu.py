"""Self-BLEU against sacrebleu, text by text, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from asteer_core.errors import DataError
from asteer_core.metrics.self_bleu import ngram_table, self_bleu, self_bleu_of, sentence_bleus

texts = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=14), min_size=2, max_size=9)


def naive(corpus):
    """Sentence BLEU of each text against all others, O(n^2), by sacrebleu."""
    bleu = BLEU(tokenize="none", effective_order=True, smooth_method="exp")
    lines = [" ".join(tokens) for tokens in corpus]
    return np.array([bleu.sentence_score(line, lines[:i] + lines[i + 1 :]).score / 100 for i, line in enumerate(lines)])


@given(texts)
@settings(max_examples=200, deadline=None)
def test_every_text_scores_as_in_sacrebleu(corpus):
    rows = np.arange(len(corpus))
    np.testing.assert_allclose(sentence_bleus(ngram_table(corpus), rows), naive(corpus), atol=1e-9)


@given(texts, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_subsample_of_the_table_equals_the_table_of_the_subsample(corpus, random):
    rows = np.array(random.sample(range(len(corpus)), random.randint(2, len(corpus))))
    assert self_bleu_of(ngram_table(corpus), rows) == pytest.approx(self_bleu([corpus[i] for i in rows]))


@given(texts)
@settings(max_examples=50, deadline=None)
def test_order_does_not_matter_and_a_second_copy_makes_it_one(corpus):
    assert self_bleu(corpus) == pytest.approx(self_bleu(corpus[::-1]))
    assert self_bleu(corpus + corpus) == pytest.approx(1)


def test_texts_that_share_no_word_score_zero():
    assert self_bleu([["a", "b"], ["c", "d"], ["e"]]) == 0


def test_one_word_copies_score_one():
    assert self_bleu([["no"], ["no"]]) == pytest.approx(1)


def test_an_empty_text_counts_as_a_copy_of_another_empty_text_only():
    assert self_bleu([[], [], []]) == 1
    scores = sentence_bleus(ngram_table([[], ["a"], ["b"]]), np.arange(3))
    np.testing.assert_array_equal(scores, [0, 0, 0])
    assert self_bleu([[], [], ["a"], ["b"]]) == 0.5


def test_an_ngram_does_not_run_on_into_the_next_text():
    assert set(np.bincount(ngram_table([["a", "b"], ["c", "d"]]).order).tolist()) == {4, 2}


def test_a_single_text_is_refused():
    with pytest.raises(DataError, match="at least 2"):
        self_bleu([["a"]])


def test_a_long_corpus_takes_linear_time():
    rng = np.random.default_rng(0)
    table = ngram_table([rng.choice(list("abcdefghij"), 40).tolist() for _ in range(3000)])
    assert 0 < self_bleu_of(table, np.arange(3000)) < 1
