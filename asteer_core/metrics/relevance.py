"""Relevance R: whether a response belongs to its prompt."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import ConfigError


def relevance(cosine: np.ndarray, random_median: float, matched_median: float) -> np.ndarray:
    """Return R, 0 (no nearer than a response to another prompt) to 1 (as near as a typical match), float64 [text]; NaN where unknown.

    Args:
        cosine: cosine of prompt and response embedding, [text].
        random_median, matched_median: medians over random and over true pairs of the reference responses.

    Raises:
        ConfigError: the matched median is not above the random one.
    """
    if not matched_median > random_median:
        raise ConfigError(f"relevance: the matched median {matched_median:.4g} is not above the random median {random_median:.4g}")
    return np.clip((np.asarray(cosine, dtype=np.float64) - random_median) / (matched_median - random_median), 0.0, 1.0)
