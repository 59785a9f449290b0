"""Shares with intervals: Wilson for independent trials, a cluster bootstrap for configurations that share a cell."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from asteer_core.analysis.resampling import LEVEL, MIN_CELLS, interval, over_cells
from asteer_core.errors import DataError


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the ends of the 95 % Wilson score interval of a share, from 0 to 1.

    Raises:
        DataError: no trials, or more successes than trials.

    Source: Wilson 1927, Probable inference, J. Am. Stat. Assoc. 22, 209-212.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise DataError(f"Wilson interval of {successes} successes in {trials} trials: expected 0 <= successes <= trials, trials > 0")
    z = float(ndtri((1 + LEVEL) / 2))
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    # At 0 and 1 the end is exact; rounding would leave 1e-17.
    return (0.0 if successes == 0 else float(centre - reach)), (1.0 if successes == trials else float(centre + reach))


def cluster_share_interval(
    hits: np.ndarray, cells: np.ndarray, rng: np.random.Generator, n_boot: int = 2000
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the share of hits when whole cells are drawn, from 0 to 1.

    (None, None) with fewer than four cells. Where all cells have the same share, resampling cells shows no spread: the
    interval is then Wilson's with the cells as trials, the most careful count of what is independent.

    Args:
        hits: bool [configuration]. cells: [configuration].
    """
    hits = np.asarray(hits, dtype=float)
    names, member = np.unique(cells, return_inverse=True)
    if len(names) < MIN_CELLS:
        return None, None
    shares = np.bincount(member, weights=hits) / np.bincount(member)
    if np.ptp(shares) == 0:
        return _wilson_of_share(float(shares[0]), len(names))
    weights = over_cells(np.asarray(cells), rng, n_boot)
    lo, hi = interval((weights * hits[:, None]).sum(axis=0) / weights.sum(axis=0), len(names))
    return lo, hi


def _wilson_of_share(share: float, trials: int) -> tuple[float, float]:
    below, above = wilson_interval(int(np.floor(share * trials)), trials), wilson_interval(int(np.ceil(share * trials)), trials)
    return below[0], above[1]
