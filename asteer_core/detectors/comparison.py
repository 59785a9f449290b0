"""Difference of two detectors' AUROCs on one test set: paired bootstrap, and DeLong's test as a cross-check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from asteer_core.detectors.ranking import auroc
from asteer_core.detectors.resampling import LEVEL, check_test, group_weights, over_seeds, percentile_interval, seed_weights


@dataclass(frozen=True, slots=True)
class Difference:
    """AUROC of a minus AUROC of b, with its 95 % interval and two-sided p-value against no difference."""

    estimate: float
    lo: float | None
    hi: float | None
    p: float | None


def compare(
    labels: np.ndarray,
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_boot: int = 500,
    where: str = "",
) -> Difference:
    """Return mean AUROC over a's seeds minus mean AUROC over b's seeds, in [-1, 1].

    Each resample draws prompt groups, the same ones for a and b, and then seeds, apart for a and b (their numbers may
    differ: pass the stacked seeds of several templates as b to compare with their mean). The interval is the percentile
    interval; p comes from estimate / bootstrap standard error, because a share of resamples could not fall
    below 1 / n_boot, too coarse for Benjamini-Hochberg over a hundred configurations.

    Args:
        labels: 0/1 [text]. scores_a, scores_b: [seed, text]. groups: [text].

    Raises:
        DataError: see `check_test`; or fewer than two groups.
    """
    truth, a, groups = check_test(labels, scores_a, groups, where)
    _, b, _ = check_test(labels, scores_b, groups, where)
    weights = group_weights(groups, rng, n_boot)
    ones = np.ones((len(truth), 1))
    sides = []
    for scores in (a, b):
        points = np.array([auroc(truth, row, ones)[0] for row in scores])
        draws = np.stack([auroc(truth, row, weights) for row in scores])
        sides.append((points.mean(), over_seeds(points, draws, seed_weights(len(scores), rng, n_boot))))
    estimate = float(sides[0][0] - sides[1][0])
    draws = sides[0][1] - sides[1][1]
    lo, hi = percentile_interval(draws)
    return Difference(estimate, lo, hi, None if lo is None else _two_sided(estimate, float(np.nanstd(draws, ddof=1)), n_boot))


def _two_sided(estimate: float, error: float, n_boot: int) -> float:
    if error == 0:
        return 1.0 if estimate == 0 else 1 / (n_boot + 1)
    return float(2 * ndtr(-abs(estimate) / error))


def delong(labels: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray) -> Difference:
    """Return AUROC(a) - AUROC(b) of two score columns [text] with DeLong's normal interval and p.

    It treats texts as independent and knows no seeds: a cross-check of `compare` where every text is its own group.

    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44, 837-845; placements by midranks as in Sun and Xu 2014.
    """
    from scipy.stats import rankdata

    truth, both, _ = check_test(labels, np.stack([scores_a, scores_b]), np.arange(len(labels)), "DeLong")
    m, n = int(truth.sum()), int((~truth).sum())
    everyone = rankdata(both, axis=1)
    positive = (everyone[:, truth] - rankdata(both[:, truth], axis=1)) / n
    negative = 1 - (everyone[:, ~truth] - rankdata(both[:, ~truth], axis=1)) / m
    estimate = float(positive[0].mean() - positive[1].mean())
    variance = (positive[0] - positive[1]).var(ddof=1) / m + (negative[0] - negative[1]).var(ddof=1) / n
    error = float(np.sqrt(variance))
    if error == 0:
        return Difference(estimate, estimate, estimate, 1.0 if estimate == 0 else 0.0)
    reach = float(ndtri((1 + LEVEL) / 2)) * error
    return Difference(estimate, estimate - reach, estimate + reach, float(2 * ndtr(-abs(estimate) / error)))
