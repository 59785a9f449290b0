"""Cluster entropy: how evenly a corpus spreads over groups of like texts."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import unit_rows

DISTANCE = 0.5


@metric("cluster_entropy", needs="embeddings")
def cluster_entropy(embeddings: np.ndarray) -> float:
    """Return the entropy (nats) of cluster sizes, 0 (one cluster) to ln n (no two texts alike).

    Clusters of average-linkage cosine distance below 0.5: unlike k-means, they need neither a count nor a random start.

    Raises:
        DataError: no rows, or a row that is zero or not finite.
    """
    unit = unit_rows(embeddings, "cluster entropy")
    if len(unit) == 1:
        return 0.0
    clusters = fcluster(linkage(unit, "average", metric="cosine"), DISTANCE, "distance")
    share = np.bincount(clusters)[1:] / len(unit)
    return float(-(share * np.log(share)).sum())
