"""Self-BLEU-4: how well each text is reproduced by the others, in time linear in the number of n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import Tokens, metric

ORDERS = 4


@metric("self_bleu", needs="corpus", rises_with_diversity=False)
def self_bleu(corpus: Sequence[Tokens]) -> float:
    """Return the mean sentence BLEU-4 of each text against all others, 0 (nothing shared) to 1 (every text has a copy).

    Exponential smoothing and effective order as in sacrebleu's sentence BLEU. An empty text scores 1 where another is empty, else 0
    (BLEU would call any number of empty texts diverse).

    Raises:
        DataError: fewer than two texts.

    Source: Zhu et al. 2018, https://arxiv.org/abs/1802.01886; Post 2018, https://arxiv.org/abs/1804.08771.
    """
    return self_bleu_of(ngram_table(corpus), np.arange(len(corpus)))


@dataclass(frozen=True, slots=True)
class NgramTable:
    """Counts of a corpus's n-grams: one row per (n-gram, text), sorted by n-gram and then by falling count.

    `gram`, `text`, `count`, `order` (0 for unigrams): int64 [row]. `lengths`: tokens per text, int64 [text].
    """

    gram: np.ndarray
    text: np.ndarray
    count: np.ndarray
    order: np.ndarray
    lengths: np.ndarray


def ngram_table(corpus: Sequence[Tokens]) -> NgramTable:
    """Return the n-gram counts, orders 1 to 4, of tokenised texts."""
    lengths = np.array([len(tokens) for tokens in corpus], dtype=np.int64)
    numbers: dict[str, int] = {}
    stream = np.array([numbers.setdefault(token, len(numbers)) for tokens in corpus for token in tokens], dtype=np.int64)
    owner = np.repeat(np.arange(len(corpus)), lengths)
    padded = np.append(stream, np.zeros(ORDERS, dtype=np.int64))
    # Tokens left in the same text at and after each position: an n-gram may not run on into the next text.
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(stream))
    parts, grams, offset = [], np.zeros(len(stream), dtype=np.int64), 0
    for order in range(ORDERS):
        following = padded[order : order + len(stream)]
        kinds, grams = np.unique(grams * max(len(numbers), 1) + following, return_inverse=True)
        fits = left > order
        keys, counts = np.unique(grams[fits] * len(corpus) + owner[fits], return_counts=True)
        parts.append((keys // len(corpus) + offset, keys % len(corpus), counts, np.full(len(keys), order)))
        offset += len(kinds)
    gram, text, count, order_of = (np.concatenate(columns).astype(np.int64) for columns in zip(*parts, strict=True))
    rank = np.lexsort((text, -count, gram))
    return NgramTable(gram[rank], text[rank], count[rank], order_of[rank], lengths)


def self_bleu_of(table: NgramTable, rows: np.ndarray) -> float:
    """Return the self-BLEU, 0 to 1, of the subsample `rows` (distinct text indices) of a corpus.

    Raises:
        DataError: fewer than two texts.
    """
    if len(rows) < 2:
        raise DataError(f"self-BLEU compares each text with the others; got {len(rows)} text(s), needs at least 2")
    return float(sentence_bleus(table, rows).mean())


def sentence_bleus(table: NgramTable, rows: np.ndarray) -> np.ndarray:
    """Return the BLEU-4, 0 to 1, of each text of the subsample against its others, float64 [row]."""
    position = np.full(len(table.lengths), -1)
    position[rows] = np.arange(len(rows))
    chosen = position[table.text] >= 0
    gram, count = table.gram[chosen], table.count[chosen]
    cell = position[table.text[chosen]] * ORDERS + table.order[chosen]
    # The best reference count of an n-gram is its largest count in the subsample, and for the text that owns that one, the second largest.
    first = np.ones(len(gram), dtype=bool)
    first[1:] = gram[1:] != gram[:-1]
    start = np.flatnonzero(first)
    following = np.append(count[1:], 0)
    second = np.where(np.append(first[1:], True), 0, following)
    reference = np.repeat(count[start], np.diff(np.append(start, len(gram))))
    reference[start] = second[start]
    matched = np.bincount(cell, np.minimum(count, reference), minlength=len(rows) * ORDERS).reshape(-1, ORDERS)
    lengths = table.lengths[rows]
    return _bleu(matched, lengths, _closest_lengths(lengths))


def _bleu(matched: np.ndarray, lengths: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Sentence BLEU as sacrebleu computes it with smooth_method="exp" and effective_order=True."""
    totals = np.maximum(lengths[:, None] - np.arange(ORDERS), 0)
    used = totals > 0
    missed = used & (matched == 0)
    halvings = 2.0 ** np.cumsum(missed, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(missed, 1 / (halvings * totals), matched / totals)
        logs = np.where(used, np.log(precision), 0.0)
        brevity = np.where(lengths < references, np.exp(1 - references / lengths), 1.0)
        scores = brevity * np.exp(logs.sum(axis=1) / used.sum(axis=1))
    scores = np.where((matched > 0).any(axis=1), scores, 0.0)
    empty = lengths == 0
    return np.where(empty, float(empty.sum() > 1), scores)


def _closest_lengths(lengths: np.ndarray) -> np.ndarray:
    """Length of the nearest other text for each text; of two equally near, the shorter."""
    kinds, inverse, copies = np.unique(lengths, return_inverse=True, return_counts=True)
    far = np.iinfo(np.int64).max // 4
    below = np.append(-far, kinds[:-1])[inverse]
    above = np.append(kinds[1:], far)[inverse]
    nearest = np.where(lengths - below <= above - lengths, below, above)
    return np.where(copies[inverse] > 1, lengths, nearest)
