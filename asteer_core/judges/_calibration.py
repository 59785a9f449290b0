"""Probabilities from decision values, and how good they are. Nothing here knows what is judged."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit


def platt(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return slope and offset so that expit(slope * score + offset) is the probability of label 1.

    Targets are Platt's (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), which keep separable scores off 0 and 1.

    Source: Platt 1999, Probabilistic outputs for support vector machines.
    """
    # Takes longer to import than the definitions of the pipeline may take to load.
    from scipy.optimize import minimize

    positives, n = float(labels.sum()), len(labels)
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (n - positives + 2))
    # Unit spread makes the two parameters comparable for the optimiser.
    spread = float(scores.std()) or 1.0
    z = scores / spread

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value = parameters[0] * z + parameters[1]
        error = expit(value) - target
        cost = -(target * log_expit(value) + (1 - target) * log_expit(-value)).mean()
        return float(cost), np.array([(error * z).mean(), error.mean()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return float(found[0] / spread), float(found[1])


def isotonic(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the knots of the best rising step function from score to probability, float64 [2, knot]: scores, then probabilities.

    Between knots the probability is interpolated, outside it is that of the nearest. It follows any rising shape, where Platt's is one
    sigmoid, and needs more rows for it. Ends are kept off 0 and 1 by Platt's targets.

    Source: Zadrozny and Elkan 2002, https://doi.org/10.1145/775047.775151.
    """
    from sklearn.isotonic import IsotonicRegression

    positives, n = float(labels.sum()), len(labels)
    fitted = IsotonicRegression(y_min=1 / (n - positives + 2), y_max=(positives + 1) / (positives + 2)).fit(scores, labels)
    return np.stack([fitted.X_thresholds_, fitted.y_thresholds_]).astype(np.float64)


def brier(probability: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean squared error of probabilities, 0 (perfect) to 1; 0.25 is a constant 0.5."""
    return float(((probability - labels) ** 2).mean())


def expected_calibration_error(probability: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the ECE, 0 to 1: |mean probability - share of label 1| over equal-width bins, weighted by their counts.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, probability - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def ranked(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the AUROC: how often a row of label 1 scores above one of label 0, ties counting half."""
    # Takes longer to import than the definitions of the pipeline may take to load.
    from scipy.stats import rankdata

    positives = int(labels.sum())
    ranks = rankdata(scores)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))
