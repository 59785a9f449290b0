"""Diverse subsets of a corpus: greedy facility location and greedy log-determinant, both weighted by the quality of each text.

Both objectives are submodular and rise, so the greedy set is within 1 - 1/e of the best of its size (facility location; Nemhauser,
Wolsey and Fisher 1978). Deterministic: on equal gains the earlier row is taken.
"""

from __future__ import annotations

import heapq

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics.vendi import unit_rows

BLOCK = 1024
FLOOR = 1e-3
"""Least weight of a text: with a weight of 0 its place among texts of weight 0 would be decided by rounding."""


def facility_location(embeddings: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return `size` distinct row numbers in the order of choice, int [size], that represent the whole set best.

    Maximises sum_i w_i max_{j chosen} max(0, cos(i, j)): every good text should have a chosen one close to it.

    Args:
        embeddings: [text, d_embed], of any norm above 0.
        weights: quality of each text, 0 to 1; NaN counts as 0.

    Raises:
        DataError: `size` is not from 1 to the number of texts, or shapes disagree.
    """
    unit, weights = _checked(embeddings, weights, size)
    covered = np.zeros(len(unit))
    gains = np.concatenate([_gains(unit, weights, covered, start) for start in range(0, len(unit), BLOCK)])
    queue = [(-gain, row, 0) for row, gain in enumerate(gains)]
    heapq.heapify(queue)
    chosen: list[int] = []
    # Lazy greedy: gains only fall, so a stale gain at the top of the queue is an upper bound (Minoux 1978).
    while len(chosen) < size:
        _, row, age = heapq.heappop(queue)
        similarity = np.maximum(unit @ unit[row], 0)
        if age == len(chosen):
            chosen.append(row)
            covered = np.maximum(covered, similarity)
        else:
            heapq.heappush(queue, (-float(weights @ np.maximum(similarity - covered, 0)), row, len(chosen)))
    return np.array(chosen)


def log_determinant(embeddings: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return `size` distinct row numbers in the order of choice, int [size], that span the most volume.

    Maximises log det of L over the chosen rows, L_ij = w_i w_j (cos(i, j) + ridge if i = j).

    Raises:
        DataError: as `facility_location`.

    Source: Chen, Zhang and Zhou 2018, https://arxiv.org/abs/1709.05135 (incremental Cholesky).
    """
    unit, weights = _checked(embeddings, weights, size)
    # Without a ridge the determinant is 0 beyond d_embed rows, and the order there would be rounding.
    ridge = 0.1
    rest = weights**2 * (1 + ridge)
    factors = np.zeros((size, len(unit)))
    chosen: list[int] = []
    for step in range(size):
        row = int(np.argmax(np.where(np.isin(np.arange(len(unit)), chosen), -np.inf, rest)))
        chosen.append(row)
        kernel = weights * weights[row] * (unit @ unit[row])
        kernel[row] += weights[row] ** 2 * ridge
        factors[step] = (kernel - factors[:step, row] @ factors[:step]) / np.sqrt(max(rest[row], 1e-300))
        rest = rest - factors[step] ** 2
    return np.array(chosen)


def _gains(unit: np.ndarray, weights: np.ndarray, covered: np.ndarray, start: int) -> np.ndarray:
    similarity = np.maximum(unit @ unit[start : start + BLOCK].T, 0)
    return weights @ np.maximum(similarity - covered[:, None], 0)


def _checked(embeddings: np.ndarray, weights: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    if len(weights) != len(embeddings) or not 1 <= size <= len(embeddings):
        raise DataError(
            f"subset: {size} of {len(embeddings)} texts with {len(weights)} weights; expected one weight per text and a size from 1 to "
            "their number; ask for a smaller set, or lower the thresholds"
        )
    return unit_rows(embeddings, "subset"), np.maximum(np.nan_to_num(np.asarray(weights, dtype=np.float64)), FLOOR)
