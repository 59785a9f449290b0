"""Vendi score: the effective number of distinct texts."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import metric


@metric("vendi", needs="embeddings")
def vendi(embeddings: np.ndarray) -> float:
    """Return the effective number of distinct texts, from 1 (all alike) to n.

    The exponential of the Shannon entropy (nats) of the eigenvalues of K / n, K the n x n cosine-similarity matrix.

    Args:
        embeddings: [text, d_embed], of any norm above 0.

    Raises:
        DataError: there are no rows, or a row is all zeros or not finite.

    Source: Friedman and Dieng 2023, https://arxiv.org/abs/2210.02410.
    """
    return effective_number(spectrum(unit_rows(embeddings, "vendi")))


def effective_number(p: np.ndarray) -> float:
    """Return the exponential of the Shannon entropy (nats) of positive shares that sum to 1."""
    return float(np.exp(-(p * np.log(p)).sum()))


def spectrum(unit: np.ndarray) -> np.ndarray:
    """Return the positive eigenvalues of K / n, which sum to 1, for unit rows [text, d_embed]."""
    # The d x d Gram matrix has the same non-zero eigenvalues as the n x n one; the smaller of the two is solved.
    gram = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    return shares_of(gram, len(unit))


def shares_of(gram: np.ndarray, n: int) -> np.ndarray:
    """Return the positive eigenvalues of a similarity matrix of n texts, or of the Gram matrix of their features, divided by n."""
    eigenvalues = np.linalg.eigvalsh(gram / n)
    return eigenvalues[eigenvalues > 1e-12]


def unit_rows(embeddings: np.ndarray, name: str) -> np.ndarray:
    """Return the rows at norm 1, float64 [text, d_embed].

    Raises:
        DataError: there are no rows, or a row is all zeros or not finite.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise DataError(f"{name} needs embeddings of shape [text, d_embed] with at least one row; got shape {rows.shape}")
    norms = np.linalg.norm(rows, axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if bad.size:
        raise DataError(f"{name} needs finite, non-zero embeddings; {bad.size} of {len(rows)} rows are not (first {bad[:5].tolist()})")
    return rows / norms[:, None]
