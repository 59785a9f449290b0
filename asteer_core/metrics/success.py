"""Success S: how much of the corpus violates the concept, in the eyes of the judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Success:
    """Mean probability and rate above the threshold over judged responses, and the mean's bounds if every null were 0 or 1."""

    mean: float | None
    rate: float | None
    lowest: float | None
    highest: float | None
    n_null: int


def success(probability: np.ndarray, threshold: float = 0.5) -> Success:
    """Return the success of a corpus from calibrated probabilities, float64 [text] in 0 to 1, NaN = no verdict."""
    known = probability[np.isfinite(probability)]
    n, nulls = len(probability), len(probability) - len(known)
    if n == 0:
        return Success(None, None, None, None, 0)
    lowest, highest = float(known.sum() / n), float((known.sum() + nulls) / n)
    if not len(known):
        return Success(None, None, lowest, highest, nulls)
    return Success(float(known.mean()), float((known > threshold).mean()), lowest, highest, nulls)
