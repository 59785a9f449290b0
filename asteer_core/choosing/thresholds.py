"""Which responses are good enough for a training set, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asteer_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least success and least coherence of a response, 0 to 1; 0 lets everything pass, also what is undefined."""

    success: float = 0.5
    coherence: float = 0.0

    def __post_init__(self) -> None:
        for name in ("success", "coherence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"threshold of {name} {getattr(self, name)}: expected 0 to 1")


def passing(success: np.ndarray, coherence: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    """Return which responses reach both thresholds, bool [response]; an undefined value (NaN) reaches 0 alone."""
    kept = np.ones(len(success), dtype=bool)
    for values, least in ((success, thresholds.success), (coherence, thresholds.coherence)):
        if least > 0:
            kept &= np.nan_to_num(values, nan=-1.0) >= least
    return kept
