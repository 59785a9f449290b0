"""Mean pairwise distance: how far apart two texts are on average. Blind to duplicates; kept for comparison with the literature."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import unit_rows


@metric("mean_pairwise_distance", needs="embeddings")
def mean_pairwise_distance(embeddings: np.ndarray) -> float:
    """Return the mean cosine distance over all pairs of texts, 0 (all alike) to 1 + 1 / (n - 1).

    Raises:
        DataError: fewer than two rows, or a row that is zero or not finite.
    """
    unit = unit_rows(embeddings, "mean pairwise distance")
    n = len(unit)
    if n < 2:
        raise DataError("mean pairwise distance compares pairs; got one row, needs at least 2")
    # The sum of all cosines is the squared norm of the summed rows: no n x n matrix.
    total = float(np.square(unit.sum(axis=0)).sum())
    return 1.0 - (total - n) / (n * (n - 1))
