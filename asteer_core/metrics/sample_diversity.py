"""Sample diversity: how varied the words inside each response are."""

from __future__ import annotations

import numpy as np


def sample_diversity(mattr: np.ndarray, rep4: np.ndarray) -> np.ndarray:
    """Return MATTR * (1 - rep4) of each response, 0 to 1, float64 [text]; the corpus value is its mean."""
    return mattr * (1.0 - rep4)
