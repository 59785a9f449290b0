"""Many tests at once: Benjamini-Hochberg."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted to control the false-discovery rate, float64 [test], in [0, 1]; NaN stays NaN and does not count.

    Raises:
        DataError: a p-value outside [0, 1].

    Source: Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57, 289-300.
    """
    p = np.asarray(p, dtype=float)
    tested = np.isfinite(p)
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise DataError(f"p-values from {p[tested].min()} to {p[tested].max()}; expected 0 to 1")
    order = np.argsort(p[tested])
    scaled = p[tested][order] * tested.sum() / np.arange(1, tested.sum() + 1)
    adjusted = np.empty(int(tested.sum()))
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    result = np.full(len(p), np.nan)
    result[tested] = adjusted
    return result
