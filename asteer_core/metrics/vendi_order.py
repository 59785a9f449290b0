"""Vendi scores of other orders: how much rare and common kinds of text count."""

from __future__ import annotations

import math

import numpy as np

from asteer_core.errors import ConfigError
from asteer_core.metrics._registry import metric
from asteer_core.metrics.vendi import spectrum, unit_rows


def vendi_of_order(embeddings: np.ndarray, q: float) -> float:
    """Return the effective number of distinct texts of order q, 1 to n: exp of the Renyi entropy of the kernel's eigenvalues.

    q = 1 is the Vendi score; a larger q counts what is common, infinity only the most common kind.

    Raises:
        ConfigError: q is negative or not a number.
        DataError: no rows, or a row that is zero or not finite.

    Source: Pasarkar and Dieng 2024, https://arxiv.org/abs/2310.12952.
    """
    if not q >= 0:
        raise ConfigError(f"vendi of order {q}: the order must be 0 or more")
    p = spectrum(unit_rows(embeddings, "vendi"))
    if q == 1:
        return float(np.exp(-(p * np.log(p)).sum()))
    if math.isinf(q):
        return float(1 / p.max())
    return float((p**q).sum() ** (1 / (1 - q)))


@metric("vendi_q05", needs="embeddings")
def vendi_half(embeddings: np.ndarray) -> float:
    """Return the Vendi score of order 0.5, 1 to n, which rare kinds of text raise more."""
    return vendi_of_order(embeddings, 0.5)


@metric("vendi_q2", needs="embeddings")
def vendi_two(embeddings: np.ndarray) -> float:
    """Return the Vendi score of order 2, 1 to n, which common kinds of text hold down more."""
    return vendi_of_order(embeddings, 2.0)


@metric("vendi_qinf", needs="embeddings")
def vendi_infinite(embeddings: np.ndarray) -> float:
    """Return the Vendi score of infinite order, 1 to n: one over the share of the most common kind."""
    return vendi_of_order(embeddings, math.inf)
