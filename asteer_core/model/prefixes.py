"""The beginnings of texts, counted in a model's tokens. Not here: scoring them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asteer_core.model.loading import LanguageModel


def first_tokens(model: LanguageModel, texts: Sequence[str], count: int) -> list[str]:
    """Return the first `count` tokens of each text, as text; shorter texts are returned as they are."""
    found = []
    for text in texts:
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        found.append(text if len(ids) <= count else model.tokenizer.decode(ids[:count]))
    return found
