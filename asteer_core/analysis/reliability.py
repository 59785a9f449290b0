"""How high a correlation with AUROC can be, given that AUROC itself is measured with noise: halves of test prompts and of seeds.

Not here: the AUROC of the halves (`detectors.quarter_auroc`), or where the scores are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.analysis.correlation_draws import MIN_CONFIGURATIONS
from asteer_core.analysis.pooling import fisher_pool
from asteer_core.analysis.rank_correlation import midranks
from asteer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Reliability:
    """`reliability`: correlation of the AUROC ranking with its repetition, 0 to 1. `ceiling`: its root, the highest expected rho.

    Both None where halves disagree or are constant; `reason` says which.
    """

    reliability: float | None
    ceiling: float | None
    reason: str = ""


def reliability_ceiling(quarters: np.ndarray, n_seeds: int) -> Reliability:
    """Return the reliability of the ranking of configurations by AUROC, and the ceiling of Spearman correlations with that AUROC.

    Covered is the noise of the test prompts, of the training seeds (with all that a seed draws: positives of the corpus, negatives,
    initial weights), and of the two together. Not covered: that another corpus of the same configuration would teach something
    else, and the noise of a metric, which is computed on the very corpus that the detector learned from. So no metric of these
    corpora is expected to exceed the ceiling, and one that is noisy itself has less to reach. Over few configurations it is a little
    generous (by .03 over 12 in simulation), because every rank correlation over few is lower than over many.

    Correlations of quarters that share prompts, seeds, or neither tell how much of their variance is truth, noise of prompts, of
    seeds, and of both; the AUROC of all prompts and seeds has as much less of each noise as it is the mean of more. This is a
    decision study of generalisability theory; with noise of prompts alone it is the Spearman-Brown formula.

    Args:
        quarters: [split, half of groups, half of seeds, configuration], as `detectors.quarter_auroc` gives per configuration with
            equally seeded generators; splits with NaN are left out.
        n_seeds: training seeds that the AUROC is the mean of, 2 or more.

    Raises:
        DataError: another shape, one seed, or fewer than three configurations.

    Source: Spearman 1904, https://doi.org/10.2307/1412159; Brennan 2001, Generalizability Theory, chapters 1 and 4.
    """
    quarters = np.asarray(quarters, dtype=float)
    if quarters.ndim != 4 or quarters.shape[1:3] != (2, 2) or quarters.shape[3] < MIN_CONFIGURATIONS or n_seeds < 2:
        raise DataError(
            f"quarters of shape {quarters.shape} from {n_seeds} seeds; expected [split, 2, 2, configuration] with "
            f"{MIN_CONFIGURATIONS} or more configurations and 2 or more seeds"
        )
    quarters = quarters[np.isfinite(quarters).all(axis=(1, 2, 3))]
    quarters = quarters[(np.ptp(quarters, axis=3) > 0).all(axis=(1, 2))]
    if not len(quarters):
        return Reliability(None, None, "halves of the test set lack a class, or AUROC is constant over configurations")
    apart, same_prompts, same_seeds = _agreements(quarters)
    if apart <= 0:
        return Reliability(None, None, "halves of the test set and of the seeds rank the configurations no more alike than chance")
    prompts, seeds = same_prompts - apart, same_seeds - apart
    both = 1 - apart - prompts - seeds
    # Halves of the prompts, but only floor(n / 2) of n seeds.
    share = (n_seeds // 2) / n_seeds
    noise = prompts / 2 + seeds * share + both * share / 2
    reliability = apart / (apart + max(noise, 0.0))
    return Reliability(reliability, float(np.sqrt(reliability)))


def _agreements(quarters: np.ndarray) -> tuple[float, float, float]:
    """Return the mean rank correlation of quarters that share neither prompts nor seeds, prompts alone, and seeds alone."""
    once = np.ones((quarters.shape[3], 1))
    ranks = np.array([midranks(row, once)[:, 0] for row in quarters.reshape(-1, len(once))]).reshape(quarters.shape)
    ranks -= ranks.mean(axis=3, keepdims=True)
    ranks /= np.sqrt((ranks**2).sum(axis=3, keepdims=True))
    matrix = np.einsum("nghc,nijc->ghij", ranks, ranks) / len(ranks)
    apart = (matrix[0, 0, 1, 1] + matrix[0, 1, 1, 0]) / 2
    same_prompts = (matrix[0, 0, 0, 1] + matrix[1, 0, 1, 1]) / 2
    same_seeds = (matrix[0, 0, 1, 0] + matrix[0, 1, 1, 1]) / 2
    return float(apart), float(same_prompts), float(same_seeds)


def pooled_ceiling(found: Sequence[tuple[str, Reliability, int]]) -> Reliability:
    """Return the ceiling of correlations pooled over concepts: pooled as those are, by Fisher's z with weights n - 3.

    Args:
        found: (concept, its reliability, its number of configurations); a concept of 3 or fewer has no weight.
    """
    weighty = [(concept, one, n) for concept, one, n in found if n > MIN_CONFIGURATIONS]
    if not weighty:
        return Reliability(None, None, "no concept has more than 3 configurations")
    for concept, one, _ in weighty:
        if one.ceiling is None:
            return Reliability(None, None, f"{concept}: {one.reason}")
    ceiling = float(fisher_pool(np.array([one.ceiling for _, one, _ in weighty], dtype=float), np.array([n for *_, n in weighty])))
    return Reliability(ceiling**2, ceiling)
