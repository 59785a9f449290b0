"""Training sets of the arms, and detectors trained on them over several seeds.

An arm differs from another in its positives alone: negatives are fixed, counts are equal. Not here: where the positives
come from (real data, prompted, steered, unsteered or random-direction corpora), which the study decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from asteer_core.detectors.protocol import Aids, Detector, Kind
from asteer_core.detectors.text_sets import TextSet
from asteer_core.errors import ConfigError, DataError


def draw(texts: TextSet, count: int, rng: np.random.Generator) -> TextSet:
    """Return `count` of the texts: without repetition if there are enough, else every text equally often (plus or minus one).

    Raises:
        DataError: there are no texts to draw from.
    """
    if count == 0:
        return texts.take(np.array([], dtype=int))
    if not len(texts):
        raise DataError(f"{texts.place}: no texts, but {count} are needed for training")
    rounds = -(-count // len(texts))
    return texts.take(np.concatenate([rng.permutation(len(texts)) for _ in range(rounds)])[:count])


def training_set(
    positives: TextSet,
    negatives: TextSet,
    n_positives: int,
    rng: np.random.Generator,
    real: TextSet | None = None,
    share: float = 1.0,
) -> tuple[TextSet, np.ndarray]:
    """Return the training texts of one seed of an arm, and their labels float64 [text]: `n_positives` positives, all negatives.

    Args:
        positives: the arm's texts.
        real: real positives that fill up the rest; needed when `share` is below 1.
        share: the part of real positives replaced by the arm's texts, from 0 (all real) to 1.

    Raises:
        ConfigError: share out of range, fewer than one positive, or real positives missing.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"{positives.place}: replacement share {share} is outside 0 to 1")
    if n_positives < 1:
        raise ConfigError(f"{positives.place}: {n_positives} training positives asked for; at least 1 is needed")
    replaced = round(share * n_positives)
    if replaced < n_positives and real is None:
        raise ConfigError(f"{positives.place}: replacement share {share} keeps {n_positives - replaced} real positives; pass `real`")
    chosen = draw(positives, replaced, rng)
    if real is not None and replaced < n_positives:
        chosen = chosen.join(draw(real, n_positives - replaced, rng))
    return chosen.join(negatives), np.concatenate([np.ones(len(chosen)), np.zeros(len(negatives))])


def fit_arm(
    kind: Kind,
    positives: TextSet,
    negatives: TextSet,
    seeds: Sequence[int],
    n_positives: int,
    real: TextSet | None = None,
    share: float = 1.0,
    aids: Sequence[Aids] | None = None,
) -> Iterator[Detector]:
    """Yield one detector per seed.

    A seed decides which positives are drawn, and whatever is random in the kind; the same seed draws the same rows in arms
    of equal size. An arm of exactly `n_positives` texts has one possible draw, so all its seeds of a convex kind agree.

    Args:
        aids: what accompanies each seed's fit; none by default.

    Raises:
        ConfigError: no seeds, or see `training_set`.
        DataError: no positives, too few negatives, missing embeddings; the message names the arm (`positives.where`).
    """
    if not len(seeds):
        raise ConfigError(f"{positives.place}: no seeds; give at least one, such as seeds: [0, 1, 2]")
    if "ngrams" in kind.needs:
        # Counted before rows are drawn, so that slices of the sets inherit the counts.
        _ = [source.ngram_counts for source in (positives, negatives, real) if source is not None]
    for place, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        train, labels = training_set(positives, negatives, n_positives, rng, real, share)
        yield kind.fit(train, labels, rng, aids[place] if aids else Aids())


def train_arm(
    kind: Kind,
    positives: TextSet,
    negatives: TextSet,
    test: TextSet,
    seeds: Sequence[int],
    n_positives: int,
    real: TextSet | None = None,
    share: float = 1.0,
    aids: Sequence[Aids] | None = None,
) -> np.ndarray:
    """Return the test scores of one detector per seed, float64 [seed, text], in [0, 1]; see `fit_arm`."""
    return np.stack([detector.score(test) for detector in fit_arm(kind, positives, negatives, seeds, n_positives, real, share, aids)])
