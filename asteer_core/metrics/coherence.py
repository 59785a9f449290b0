"""Coherence C_i of each response: fluent, not repeating itself, and about its prompt."""

from __future__ import annotations

import numpy as np


def coherence(fluency: np.ndarray, rep4: np.ndarray, relevance: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return C_i = T * (1 - rep4) * R, 0 to 1, float64 [text]; NaN where a factor is unknown, 0 where the response is empty.

    An empty response has no NLL, but it is not unknown: it says nothing about its prompt.
    """
    return np.where(empty, 0.0, fluency * (1.0 - rep4) * relevance)
