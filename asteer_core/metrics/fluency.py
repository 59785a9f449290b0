"""Fluency T: how usual the scorer finds a response, on both sides."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import ConfigError

FREE = 1.0
"""Robust z-scores up to this size cost nothing."""


def fluency(nll: np.ndarray, location: float, scale: float, tau: float = 1.0) -> np.ndarray:
    """Return T = exp(-max(0, |z| / tau - 1)^2 / 2), 0 to 1, float64 [text]; NaN where the NLL is.

    z = (nll - location) / scale. Two-sided, because loops have a LOW negative log-likelihood.

    Args:
        nll: mean token NLL of each response under the scorer, nats.
        location, scale: median and robust spread of the NLL of reference responses.
        tau: how many spreads are as good as one; fixed before a study, since it decides how steeply C falls.

    Raises:
        ConfigError: tau or scale is not above 0.
    """
    if not (tau > 0 and scale > 0):
        raise ConfigError(f"fluency: tau={tau}, scale={scale}; both must be above 0")
    excess = np.maximum(0.0, np.abs((np.asarray(nll, dtype=np.float64) - location) / scale) / tau - FREE)
    return np.exp(-(excess**2) / 2)
