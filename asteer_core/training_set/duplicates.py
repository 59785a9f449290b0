"""Duplicates within a set: the first of each group of near-identical texts stays. Against the test set: `detectors.DuplicateIndex`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

SHINGLE_WORDS = 5
MAX_JACCARD = 0.8
"""As against the test set (Lee et al. 2022, https://arxiv.org/abs/2107.06499)."""


def first_of_each(texts: Sequence[str]) -> np.ndarray:
    """Return which texts stay, bool [text]: no earlier kept text has the same words, or a Jaccard similarity of word 5-grams of .8.

    Empty texts never stay.
    """
    kept = np.zeros(len(texts), dtype=bool)
    sizes: dict[int, int] = {}
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        shingles = _shingles(text)
        shared = Counter(other for shingle in shingles for other in holders.get(shingle, ()))
        if not shingles or any(count >= MAX_JACCARD * (len(shingles) + sizes[other] - count) for other, count in shared.items()):
            continue
        kept[row], sizes[row] = True, len(shingles)
        for shingle in shingles:
            holders[shingle].append(row)
    return kept


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = tuple(re.findall(r"\w+", text.casefold())) or ((text.strip(),) if text.strip() else ())
    if not words:
        return set()
    return {words[start : start + SHINGLE_WORDS] for start in range(max(1, len(words) - SHINGLE_WORDS + 1))}
