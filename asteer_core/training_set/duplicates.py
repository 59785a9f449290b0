"""Duplicates within a set: the first of each group of near-identical texts stays. Against the test set: `detectors.DuplicateIndex`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from asteer_core.detectors.near_duplicates import MAX_JACCARD, shingles, words_of


def first_of_each(texts: Sequence[str]) -> np.ndarray:
    """Return which texts stay, bool [text]: no earlier kept text has the same words, or a Jaccard similarity of word 5-grams of .8.

    Empty texts never stay.
    """
    kept = np.zeros(len(texts), dtype=bool)
    sizes: dict[int, int] = {}
    holders: dict[bytes, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        mine = shingles(words_of(text)) if text.strip() else set()
        shared = Counter(other for shingle in mine for other in holders.get(shingle, ()))
        if not mine or any(count >= MAX_JACCARD * (len(mine) + sizes[other] - count) for other, count in shared.items()):
            continue
        kept[row], sizes[row] = True, len(mine)
        for shingle in mine:
            holders[shingle].append(row)
    return kept
