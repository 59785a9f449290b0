"""Near-duplicates between a training corpus and the test set, which would let a detector remember instead of generalise.

Not here: duplicates within one corpus (a matter of diversity, `metrics`).
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from asteer_core.detectors.text_sets import TextSet

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

SHINGLE_WORDS = 5
PERMUTATIONS = 128
MAX_JACCARD = 0.8
MAX_COSINE = 0.95
REASONS = ("exact", "minhash", "cosine")


class DuplicateIndex:
    """A test set prepared for many training corpora: hashes, MinHash index and unit embeddings are made once.

    Thresholds (Jaccard .8 of word 5-grams, cosine .95): Lee et al. 2022, https://arxiv.org/abs/2107.06499, and METRICS.
    """

    def __init__(self, test: TextSet) -> None:
        self._test = test

    def check(self, train: TextSet) -> tuple[np.ndarray, dict[str, int | None]]:
        """Return which training texts to keep, bool [text], and how many went by reason.

        A text counts under the first reason that hits: `exact` (same words after case, punctuation and spacing are dropped),
        `minhash` (Jaccard similarity of word 5-grams of at least .8; MinHash proposes, the true Jaccard decides), `cosine`
        (embeddings closer than .95; None if either side has no embeddings, since nothing was checked). Also `kept` and `total`.
        """
        words = [words_of(text) for text in train.texts]
        reason = np.full(len(train), "", dtype="<U8")
        cosine = self._close(train)
        if cosine is not None:
            reason[cosine] = "cosine"
        reason[[i for i, text in enumerate(words) if self._overlaps(text)]] = "minhash"
        reason[[i for i, text in enumerate(words) if _digest(text) in self._digests]] = "exact"
        counts: dict[str, int | None] = {name: int((reason == name).sum()) for name in REASONS}
        if cosine is None:
            counts["cosine"] = None
        keep = reason == ""
        counts["kept"], counts["total"] = int(keep.sum()), len(train)
        return keep, counts

    def _close(self, train: TextSet) -> np.ndarray | None:
        if train.embeddings is None or self._unit is None or not len(self._test):
            return None
        return (_unit_rows(train.embeddings) @ self._unit.T).max(axis=1, initial=-1) > MAX_COSINE

    def _overlaps(self, words: tuple[str, ...]) -> bool:
        mine = shingles(words)
        rivals = self._lsh.query(_minhash(mine))
        theirs = [self._shingles[int(str(i))] for i in rivals]
        return any(len(mine & other) >= MAX_JACCARD * len(mine | other) for other in theirs)

    @cached_property
    def _unit(self) -> np.ndarray | None:
        return None if self._test.embeddings is None else _unit_rows(self._test.embeddings)

    @cached_property
    def _word_lists(self) -> list[tuple[str, ...]]:
        return [words_of(text) for text in self._test.texts]

    @cached_property
    def _digests(self) -> set[bytes]:
        return {_digest(words) for words in self._word_lists}

    @cached_property
    def _shingles(self) -> list[set[bytes]]:
        return [shingles(words) for words in self._word_lists]

    @cached_property
    def _lsh(self) -> MinHashLSH:
        from datasketch import MinHashLSH

        # A lower threshold than the one that decides: the index must propose nearly all pairs, and may propose too many.
        index = MinHashLSH(threshold=MAX_JACCARD - 0.2, num_perm=PERMUTATIONS)
        for i, grams in enumerate(self._shingles):
            index.insert(str(i), _minhash(grams))
        return index


def deduplicate(train: TextSet, test: TextSet) -> tuple[np.ndarray, dict[str, int | None]]:
    """Return which training texts are no near-duplicates of a test text, bool [text], and counts by reason.

    For many training corpora against one test set, make one `DuplicateIndex(test)` and call its `check`.
    """
    return DuplicateIndex(test).check(train)


def words_of(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold())) or (text.strip(),)


def _digest(words: tuple[str, ...]) -> bytes:
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).digest()


def shingles(words: tuple[str, ...]) -> set[bytes]:
    """Return the word 5-grams; a shorter text is one shingle."""
    count = max(1, len(words) - SHINGLE_WORDS + 1)
    return {" ".join(words[i : i + SHINGLE_WORDS]).encode("utf-8", "surrogatepass") for i in range(count)}


def _minhash(shingles: set[bytes]) -> MinHash:
    from datasketch import MinHash

    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch(list(shingles))
    return sketch


def _unit_rows(embeddings: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    # A zero row (an empty text) is close to nothing.
    return embeddings / np.where(norms > 0, norms, 1)
