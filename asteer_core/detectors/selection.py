"""What a choice made on the test set would add: the chosen detector's figure flatters it, because noise helped it to be chosen.

Not here: choices by metrics of the corpus (`asteer_core.analysis.regret`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.detectors.ranking import auroc
from asteer_core.detectors.resampling import check_test, group_weights, percentile_interval
from asteer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Two choices among the same detectors. Positions are those in the lists that were passed.

    Attributes:
        chosen: position of the highest validation AUROC. auroc, lo, hi: its test AUROC, which the choice has not seen, and 95 % interval.
        best: position of the highest test AUROC. best_auroc: that AUROC, too good by about `optimism`.
        optimism: mean over resampled test groups of (AUROC there of the best there) - (its AUROC on the whole test set); at least 0
            in expectation, and larger the more detectors there are and the fewer test groups.
    """

    chosen: int
    auroc: float
    lo: float | None
    hi: float | None
    best: int
    best_auroc: float
    optimism: float


def hindsight(
    labels: np.ndarray,
    scores: Sequence[np.ndarray],
    groups: np.ndarray,
    validation: Sequence[float],
    rng: np.random.Generator,
    n_boot: int = 200,
    where: str = "",
) -> Hindsight:
    """Return the choice by validation and the choice in hindsight.

    Args:
        labels: 0/1 [text] of the test set. scores: one [seed, text] per detector. groups: [text].
        validation: the validation AUROC of each detector.

    Raises:
        DataError: nothing to choose from, an undefined validation AUROC, or see `check_test`.

    Source: Efron 1983, Estimating the error rate of a prediction rule, J. Am. Stat. Assoc. 78, 316-331 (bootstrap optimism).
    """
    if not len(scores) or len(scores) != len(validation):
        raise DataError(f"{where}: {len(scores)} detectors with {len(validation)} validation AUROCs; expected one each, and at least one")
    if not np.isfinite(np.asarray(validation, dtype=float)).all():
        raise DataError(f"{where}: a validation AUROC is undefined; the validation texts need both classes")
    ready = [check_test(labels, found, groups, where) for found in scores]
    truth, weights = ready[0][0], group_weights(np.asarray(groups), rng, n_boot)
    ones = np.ones((len(truth), 1))
    points = np.array([np.mean([auroc(truth, row, ones)[0] for row in found]) for _, found, _ in ready])
    draws = np.stack([np.mean([auroc(truth, row, weights) for row in found], axis=0) for _, found, _ in ready])
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    winners = draws.argmax(axis=0)
    chosen, best = int(np.argmax(validation)), int(points.argmax())
    lo, hi = percentile_interval(draws[chosen])
    optimism = float(np.mean(draws[winners, np.arange(draws.shape[1])] - points[winners]))
    return Hindsight(chosen, float(points[chosen]), lo, hi, best, float(points[best]), optimism)
