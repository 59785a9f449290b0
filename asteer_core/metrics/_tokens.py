"""Texts to tokens, once and the same for every metric. Not the tokenizer of any language model."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces are split by character; other words keep an inner apostrophe; any other visible character is a token.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’][^\W{_UNSPACED}]+)*|[^\w\s]")


def tokenise(text: str, limit: int | None = None) -> list[str]:
    """Return the lower-case tokens of `text`: words, single characters of unspaced scripts, punctuation, symbols; at most `limit`."""
    tokens = _TOKEN.findall(text.lower())
    return tokens if limit is None else tokens[:limit]


def words(tokens: list[str]) -> list[str]:
    """Return the tokens that are not punctuation; emoji and other symbols stay."""
    return [token for token in tokens if token[0].isalnum() or not unicodedata.category(token[0]).startswith(("P", "M", "C"))]
