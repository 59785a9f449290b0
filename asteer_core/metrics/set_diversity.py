"""Set diversity: how different the responses of a corpus are from one another, at a fixed sample size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import Tokens
from asteer_core.metrics.self_bleu import ngram_table, self_bleu_of
from asteer_core.metrics.vendi import unit_rows, vendi


def subsamples(n: int, size: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return `count` sets of `size` distinct indices below n; one set where n equals `size`, as all would be the same.

    Raises:
        DataError: n is below `size`, or `size` below 2.
    """
    if size < 2 or n < size:
        raise DataError(f"{n} texts, fewer than the subsample size m={size} (at least 2)")
    if n == size:
        return [np.arange(n)]
    return [np.sort(rng.choice(n, size, replace=False)) for _ in range(count)]


def mean_vendi(embeddings: np.ndarray, draws: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the mean Vendi score over the subsamples, 1 to m, and the mean of ln(Vendi) / ln(m), 0 to 1.

    Raises:
        DataError: an embedding that is zero or not finite.
    """
    rows = unit_rows(embeddings, "vendi")
    scores = np.array([vendi(rows[draw]) for draw in draws])
    # Rounding can leave a score a hair below 1 or above m.
    shares = np.clip(np.log(scores) / math.log(len(draws[0])), 0.0, 1.0)
    return float(scores.mean()), float(shares.mean())


def mean_self_bleu(corpus: Sequence[Tokens], draws: Sequence[np.ndarray]) -> float:
    """Return the mean self-BLEU-4 over the subsamples, 0 to 1."""
    table = ngram_table(corpus)
    return float(np.mean([self_bleu_of(table, draw) for draw in draws]))


def set_diversity(vendi_share: float, self_bleu: float) -> float:
    """Return sqrt(Vs * (1 - self-BLEU)), 0 to 1: diversity of meaning and of wording.

    Neither part is enough: embeddings hardly see a template whose slot changes, BLEU does not see paraphrases.
    """
    return math.sqrt(vendi_share * (1.0 - self_bleu))
