"""Bootstrap weights over prompt groups and training seeds, shared by evaluation and comparison.

Not here: what is computed under the weights (`ranking.py`, `evaluation.py`, `comparison.py`).
"""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError

LEVEL = 0.95
"""Coverage of every interval in this package."""


def group_weights(groups: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    """Return how often each text is drawn when whole groups are drawn with replacement, float32 [text, n_boot]."""
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"a bootstrap over prompt groups needs at least 2 groups; got {len(names)}: give every test prompt its group")
    drawn = rng.integers(len(names), size=(n_boot, len(names))) + np.arange(n_boot)[:, None] * len(names)
    counts = np.bincount(drawn.ravel(), minlength=n_boot * len(names)).reshape(n_boot, len(names))
    return np.ascontiguousarray(counts.T[member], dtype=np.float32)


def seed_weights(n_seeds: int, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    """Return the share of each seed in each resample, float64 [seed, n_boot], columns summing to 1.

    n - 1 of the n seeds are drawn, with replacement: drawing n would make the variance too small by (n - 1) / n, which is
    a third with three seeds. A single seed stays as it is, and the interval then holds for that seed only.

    Source: Rao and Wu 1988, resampling inference with complex survey data, J. Am. Stat. Assoc. 83, 231-241.
    """
    if n_seeds == 1:
        return np.ones((1, n_boot))
    drawn = rng.integers(n_seeds, size=(n_boot, n_seeds - 1))
    return np.stack([(drawn == seed).sum(axis=1) for seed in range(n_seeds)]) / (n_seeds - 1)


def over_seeds(points: np.ndarray, draws: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return resampled means over seeds, [n_boot]: groups are drawn by `draws`, then seeds by `shares`.

    Seeds differ in the test set partly by noise of its texts, which the group draws carry already. Drawing both plainly
    counts that noise three times over (and a comparison would never reject), so drawn seeds deviate by the part of
    their variance that resampling groups does not explain: var(points) minus the seeds' own variance under group draws.

    Args:
        points: [seed], the measure on the test set as it is. draws: [seed, n_boot]. shares: `seed_weights`, [seed, n_boot].

    Source: Owen 2007, The pigeonhole bootstrap, https://arxiv.org/abs/0712.1111 (the threefold count).
    """
    mean = draws.mean(axis=0)
    usable = np.isfinite(mean)
    if len(points) == 1 or usable.sum() < 2:
        return mean
    observed = points.var(ddof=1)
    explained = (draws - mean)[:, usable].var(axis=1).sum() / (len(points) - 1)
    if observed <= explained:
        return mean
    return mean + np.sqrt(1 - explained / observed) * ((points - points.mean()) @ shares)


def percentile_interval(draws: np.ndarray) -> tuple[float | None, float | None]:
    """Return the central 95 % of the finite draws, or (None, None) if half or more are undefined."""
    finite = draws[np.isfinite(draws)]
    if finite.size <= draws.size / 2:
        return None, None
    tail = (1 - LEVEL) / 2
    lo, hi = np.quantile(finite, [tail, 1 - tail])
    return float(lo), float(hi)


def check_test(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels bool [text], scores float64 [seed, text] and groups [text], once they fit together.

    Raises:
        DataError: lengths differ, one class only, labels other than 0/1, or a score that is missing or outside [0, 1].
    """
    place = f"{where}: " if where else ""
    labels, scores, groups = np.asarray(labels), np.atleast_2d(np.asarray(scores, dtype=float)), np.asarray(groups)
    if scores.ndim != 2 or scores.shape[1] != len(labels) or len(groups) != len(labels) or not scores.shape[0]:
        raise DataError(
            f"{place}{len(labels)} test labels, scores of shape {scores.shape}, {len(groups)} groups; expected scores [seed, text] "
            "with one label and one group per text"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{place}test labels {np.unique(labels)[:5].tolist()}; expected 0 (compliant) and 1 (violating)")
    positives = int((labels == 1).sum())
    if positives in (0, len(labels)):
        raise DataError(f"{place}{positives} of {len(labels)} test texts are positive; AUROC needs both classes in the test set")
    broken = ~((scores >= 0) & (scores <= 1))
    if broken.any():
        seed, text = np.argwhere(broken)[0]
        raise DataError(f"{place}score {scores[seed, text]} of seed {seed}, text {text}; detector scores must be probabilities in [0, 1]")
    return labels == 1, scores, groups
