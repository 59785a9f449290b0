"""DCScore: diversity as how well each text can be told from all the others."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import unit_rows

TEMPERATURE = 1.0


@metric("dcscore", needs="embeddings")
def dcscore(embeddings: np.ndarray) -> float:
    """Return the sum over texts of the probability that a softmax over cosines gives the text itself, 1 (all alike) to n.

    Raises:
        DataError: no rows, or a row that is zero or not finite.

    Source: Zhu et al. 2025, https://arxiv.org/abs/2502.08512.
    """
    unit = unit_rows(embeddings, "dcscore")
    return float(np.trace(softmax(unit @ unit.T / TEMPERATURE, axis=1)))
