"""Tokens, MATTR and rep-4 against brute force."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.errors import ConfigError
from asteer_core.metrics._tokens import tokenise, words
from asteer_core.metrics.distinct4 import distinct4
from asteer_core.metrics.mattr import mattr
from asteer_core.metrics.rep4 import rep4

tokens = st.lists(st.sampled_from("abcdefgh"), max_size=90)


@given(tokens, st.integers(1, 60))
def test_mattr_equals_the_mean_over_all_windows(content, window):
    if len(content) <= window:
        expected = len(set(content)) / window
    else:
        windows = [content[i : i + window] for i in range(len(content) - window + 1)]
        expected = sum(len(set(w)) / window for w in windows) / len(windows)
    assert mattr(content, window) == pytest.approx(expected)


@given(tokens)
def test_rep4_equals_the_share_of_repeated_4grams(content):
    grams = [tuple(content[i : i + 4]) for i in range(len(content) - 3)]
    repeated = sum(gram in grams[:i] for i, gram in enumerate(grams))
    assert rep4(content) == pytest.approx(repeated / len(grams) if grams else 0)
    assert rep4(content) == pytest.approx(1 - distinct4(content))


@given(st.text(max_size=300))
def test_any_text_has_tokens_within_the_limit_and_scores_in_range(text):
    content = tokenise(text, 40)
    assert len(content) <= 40
    assert 0 <= mattr(words(content)) <= 1
    assert 0 <= rep4(content) < 1


@given(st.text(max_size=60))
def test_every_visible_character_reaches_the_tokens(text):
    assert "".join(tokenise(text)) == "".join(text.lower().split())


def test_tokens_are_words_marks_symbols_and_single_characters_of_unspaced_scripts():
    assert tokenise("Don't STOP, naïve 🙂🙂!") == ["don't", "stop", ",", "naïve", "🙂", "🙂", "!"]
    assert tokenise("你好 мир") == ["你", "好", "мир"]
    assert words(tokenise("Well... 🙂 (no)!")) == ["well", "🙂", "no"]


def test_a_window_without_words_is_refused():
    with pytest.raises(ConfigError, match="window 0"):
        mattr(["a"], 0)
