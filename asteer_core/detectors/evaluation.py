"""Quality of a detector on a labelled test set, with intervals. Not here: comparing two detectors (`comparison.py`)."""

from __future__ import annotations

import numpy as np

from asteer_core.detectors.ranking import auroc, ranking_metrics
from asteer_core.detectors.resampling import check_test, group_weights, over_seeds, percentile_interval, seed_weights
from asteer_core.errors import DataError

MAX_FPR = 0.01
CALIBRATION_BINS = 15
MEASURES = ("auroc", "auprc", "tpr_at_1_fpr", "ece_15", "brier")
"""What `evaluate` says of a detector, each with an interval."""


def evaluate(
    labels: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_boot: int = 500,
    where: str = "",
) -> dict[str, float | int | None]:
    """Return the means over seeds of five measures, each with the ends of its 95 % interval (`<name>_lo`, `<name>_hi`).

    `auroc`; `auprc` (average precision; its chance level is `prevalence`); `tpr_at_1_fpr` (highest TPR at FPR <= .01);
    `ece_15` (expected calibration error, 15 equal bins; biased upwards in small tests, and its interval with it); `brier`.
    The interval is the percentile bootstrap over prompt groups, then seeds. Ends are None where most resamples are undefined.
    Also `prevalence`, `n_positive`, `n_negative`, `n_groups`, `n_seeds`.

    Args:
        labels: 0/1 [text]. scores: [seed, text] (or [text]) in [0, 1]. groups: [text], the prompt group of each text.
        where: concept and configuration, shown in errors.

    Raises:
        DataError: see `check_test`; or fewer than two groups.
    """
    truth, scores, groups = check_test(labels, scores, groups, where)
    weights = group_weights(groups, rng, n_boot)
    shares = seed_weights(len(scores), rng, n_boot)
    ones = np.ones((len(truth), 1))
    result: dict[str, float | int | None] = {}
    draws = [_measure(truth, row, weights) for row in scores]
    points = [_measure(truth, row, ones) for row in scores]
    for name in MEASURES:
        result[name] = float(np.mean([point[name][0] for point in points]))
        result[f"{name}_lo"], result[f"{name}_hi"] = percentile_interval(
            over_seeds(np.array([point[name][0] for point in points]), np.stack([draw[name] for draw in draws]), shares)
        )
    result["prevalence"] = float(truth.mean())
    result["n_positive"], result["n_negative"] = int(truth.sum()), int((~truth).sum())
    result["n_groups"], result["n_seeds"] = len(np.unique(groups)), len(scores)
    return result


def _measure(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    ranked = ranking_metrics(labels, scores, weights, MAX_FPR)
    error = scores - labels
    total = weights.sum(axis=0)
    bins = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    member = (bins == np.arange(CALIBRATION_BINS)[:, None]).astype(weights.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "auroc": ranked["auroc"],
            "auprc": ranked["auprc"],
            "tpr_at_1_fpr": ranked["tpr"],
            "ece_15": np.abs((member * error.astype(weights.dtype)) @ weights).sum(axis=0) / total,
            "brier": (error**2).astype(weights.dtype) @ weights / total,
        }


def quarter_auroc(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, rng: np.random.Generator, n_splits: int = 50, where: str = ""
) -> np.ndarray:
    """Return the AUROC of half of the training seeds on half of the prompt groups, [split, half of groups, half of seeds].

    Halves are random, of floor(n / 2) groups and the others, and of floor(n_seeds / 2) seeds each (means over seeds): of an odd number
    of seeds one is left out of each split. Called with equally seeded generators, all configurations share the halves;
    `analysis.reliability_ceiling` reads the result. NaN where a half of the groups lacks a class.

    Args:
        labels, scores, groups, where: as for `evaluate`.

    Raises:
        DataError: see `check_test`; fewer than two seeds, or fewer than two groups.
    """
    truth, scores, groups = check_test(labels, scores, groups, where)
    names, member = np.unique(groups, return_inverse=True)
    n_seeds = len(scores)
    if n_seeds < 2 or len(names) < 2:
        place = f"{where}: " if where else ""
        raise DataError(f"{place}{n_seeds} seeds and {len(names)} prompt groups; halves need at least 2 of both")
    first = np.argsort(rng.random((n_splits, len(names))), axis=1) < len(names) // 2
    weights = first.T[member].astype(float)
    by_seed = np.array([[auroc(truth, row, half) for row in scores] for half in (weights, 1 - weights)])
    place_of = np.argsort(np.argsort(rng.random((n_splits, n_seeds)), axis=1), axis=1)
    size = n_seeds // 2
    share = np.stack([place_of < size, (place_of >= size) & (place_of < 2 * size)]) / size
    return np.einsum("gsn,hns->ngh", by_seed, share)
