"""Chamfer distance: how far each text is from its nearest neighbour."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import unit_rows


@metric("chamfer", needs="embeddings")
def chamfer(embeddings: np.ndarray) -> float:
    """Return the mean cosine distance of each text to the nearest other, 0 (every text has a copy) to 2.

    Raises:
        DataError: fewer than two rows, or a row that is zero or not finite.

    Source: Cox et al. 2021, https://doi.org/10.1145/3411764.3445782.
    """
    unit = unit_rows(embeddings, "chamfer")
    if len(unit) < 2:
        raise DataError("chamfer needs a nearest neighbour; got one row, needs at least 2")
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    return float(np.clip(1.0 - cosine.max(axis=1), 0.0, 2.0).mean())
