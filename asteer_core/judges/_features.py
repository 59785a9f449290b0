"""Cheap features of a text beside its embedding: which words and word pairs, and whether they hang together.

Sentence embeddings hardly see a short insult inside good advice, or whether words stand in any order; these features do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from asteer_core.metrics import tokenise

BUCKETS = 2**14
SURFACE = 3
"""Features after the buckets: familiarity, repeated tokens, doubled tokens."""

GRAM_WEIGHT = 2.0
"""Sizes the grams against unit-norm embeddings under one penalty."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What the features remember of the training texts.

    `known`: sorted hashes of their word pairs, uint64. `typical`: median count of distinct grams per text.
    """

    known: np.ndarray
    typical: float

    @classmethod
    def fit(cls, texts: Sequence[str], groups: np.ndarray) -> tuple[Self, csr_matrix]:
        """Return the features and the training matrix [text, BUCKETS + SURFACE].

        A training text's familiarity counts only pairs that occur in another group: its own pairs are all known, which no new text's are.
        """
        grams = [_grams(text) for text in texts]
        _, group_of = np.unique(groups, return_inverse=True)
        pairs = np.concatenate([pair for _, pair in grams])
        owners = np.repeat(group_of, [len(pair) for _, pair in grams])
        # Distinct (pair, group) couples; a pair's number of couples is the number of groups it occurs in.
        order = np.lexsort((owners, pairs))
        hashes, owner = pairs[order], owners[order]
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
        known, count = np.unique(hashes[new], return_counts=True)
        shared = known[count > 1]
        typical = float(np.median([len(np.unique(np.concatenate(gram))) for gram in grams]))
        return cls(known, typical), _matrix(grams, texts, shared, typical)

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Return the matrix [text, BUCKETS + SURFACE] of texts outside the training set."""
        return _matrix([_grams(text) for text in texts], texts, self.known, self.typical)


def _matrix(grams: Sequence[tuple[np.ndarray, np.ndarray]], texts: Sequence[str], known: np.ndarray, typical: float) -> csr_matrix:
    columns, values, lengths = [], [], []
    for (words, pairs), text in zip(grams, texts, strict=True):
        buckets = np.unique((np.concatenate([words, pairs]) >> np.uint64(20)) % np.uint64(BUCKETS)).astype(np.int64)
        # A text shorter than usual is not scaled up: one word repeated for ever is one feature, not all of them.
        weight = GRAM_WEIGHT / np.sqrt(max(len(buckets), typical))
        surface = GRAM_WEIGHT * np.array([_share_known(pairs, known), *_repetition(tokenise(text))])
        columns.append(np.append(buckets, BUCKETS + np.arange(SURFACE)))
        values.append(np.append(np.full(len(buckets), weight), surface))
        lengths.append(len(columns[-1]))
    starts = np.append(0, np.cumsum(lengths))
    shape = (len(texts), BUCKETS + SURFACE)
    return csr_matrix((np.concatenate([*values, []]), np.concatenate([*columns, []]).astype(np.int64), starts), shape=shape)


def _grams(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the words, and of neighbouring words with the edges of the text, both uint64."""
    words = np.array([_hash(token) for token in tokenise(text)], dtype=np.uint64)
    edged = np.concatenate([[_hash("\n^")], words, [_hash("\n$")]]).astype(np.uint64)
    return words, edged[:-1] * _MIX + edged[1:]


def _share_known(pairs: np.ndarray, known: np.ndarray) -> float:
    if not len(known):
        return 0.0
    # np.isin would sort all known pairs again for every text.
    place = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    return float((known[place] == pairs).mean())


def _repetition(tokens: list[str]) -> tuple[float, float]:
    """Share of tokens that repeat an earlier one, and of tokens equal to the one before."""
    if len(tokens) < 2:
        return 0.0, 0.0
    doubled = sum(a == b for a, b in pairwise(tokens))
    return 1 - len(set(tokens)) / len(tokens), doubled / (len(tokens) - 1)


@lru_cache(maxsize=200_000)
def _hash(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
