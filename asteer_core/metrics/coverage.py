"""k-NN coverage: the share of real texts that the corpus comes near."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import unit_rows

NEIGHBOURS = 5


@metric("coverage", needs="real")
def coverage(embeddings: np.ndarray, real: np.ndarray) -> float:
    """Return the share of real texts, 0 to 1, with a corpus text at least as near as their 5th nearest real neighbour (cosine).

    Raises:
        DataError: embeddings of two widths, too few real texts, or a row that is zero or not finite.

    Source: Naeem et al. 2020, https://arxiv.org/abs/2002.09797.
    """
    made, true = unit_rows(embeddings, "coverage"), unit_rows(real, "coverage")
    if made.shape[1] != true.shape[1] or len(true) <= NEIGHBOURS:
        raise DataError(f"coverage: corpus {made.shape}, real texts {true.shape}; expected one width and more than {NEIGHBOURS} real texts")
    within = true @ true.T
    np.fill_diagonal(within, -np.inf)
    radius = np.partition(within, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    return float(((true @ made.T).max(axis=1) >= radius - 1e-12).mean())
