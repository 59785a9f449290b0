"""How high a correlation with AUROC can be, given that AUROC itself is measured with noise: split halves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asteer_core.analysis.rank_correlation import spearman
from asteer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Reliability:
    """`reliability`: correlation of the AUROC ranking with its repetition, 0 to 1. `ceiling`: its root, the highest expected rho.

    Both None where halves disagree or are constant; `reason` says which.
    """

    reliability: float | None
    ceiling: float | None
    reason: str = ""


def reliability_ceiling(halves: np.ndarray) -> Reliability:
    """Return the Spearman-Brown reliability of AUROC over configurations, and the ceiling of correlations with it.

    Args:
        halves: [split, 2, configuration], the AUROC on either half of the test groups, as `detectors.split_half_auroc` gives per
            configuration with equally seeded generators.

    Raises:
        DataError: another shape, or fewer than three configurations.

    Source: Spearman 1904, The proof and measurement of association between two things, Am. J. Psychol. 15, 72-101.
    """
    halves = np.asarray(halves, dtype=float)
    if halves.ndim != 3 or halves.shape[1] != 2 or halves.shape[2] < 3:
        raise DataError(f"split halves of shape {halves.shape}; expected [split, 2, configuration] with 3 or more configurations")
    ones = np.ones((halves.shape[2], 1))
    agreements = np.array([spearman(first, second, ones)[0] for first, second in halves])
    if not np.isfinite(agreements).any():
        return Reliability(None, None, "AUROC is constant over configurations")
    agreement = float(np.nanmean(agreements))
    if agreement <= 0:
        return Reliability(None, None, "halves of the test set rank the configurations no more alike than chance")
    reliability = 2 * agreement / (1 + agreement)
    return Reliability(reliability, float(np.sqrt(reliability)))
