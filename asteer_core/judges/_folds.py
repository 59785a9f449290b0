"""What a judge may be trained on, and the folds that keep a prompt group on one side. No model here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asteer_core.errors import DataError

FOLDS = 5


def finite_rows(texts: Sequence[str], embeddings: np.ndarray) -> np.ndarray:
    """Return the embeddings as float64 [text, d_embed].

    Raises:
        DataError: another number of rows than texts, or a value that is not finite.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2 or len(embeddings) != len(texts):
        raise DataError(f"embedded judge: {len(texts)} texts with embeddings {embeddings.shape}; expected [text, d_embed]")
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if bad.size:
        raise DataError(f"embedded judge: {bad.size} of {len(texts)} embeddings hold NaN or infinity (first rows {bad[:5].tolist()})")
    return embeddings


def group_folds(
    labels: np.ndarray, groups: np.ndarray, n: int, rng: np.random.Generator, who: str = "embedded judge"
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (train, held-out) row indices of up to five folds that keep groups together and leave both classes to train on.

    `who` stands in errors.

    Raises:
        DataError: labels or groups that do not pair with the texts, labels other than 0 and 1, or a class in fewer than two groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if labels.shape != (n,) or groups.shape != (n,):
        raise DataError(f"{who}: {n} texts with labels {labels.shape} and groups {groups.shape}; expected one of each per text")
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{who}: labels must be 1 (violates) or 0 (does not); got others or NaN")
    per_class = [len(np.unique(groups[labels == value])) for value in (0, 1)]
    if min(per_class) < 2:
        raise DataError(
            f"{who}: label 0 occurs in {per_class[0]} groups and label 1 in {per_class[1]}; "
            "each needs at least 2, so that quality can be measured on groups it has not seen"
        )
    splitter = StratifiedGroupKFold(min(FOLDS, *per_class), shuffle=True, random_state=int(rng.integers(2**31)))
    folds = list(splitter.split(np.zeros(n), labels.astype(int), groups))
    if any(len(np.unique(labels[train])) < 2 for train, _ in folds):
        raise DataError(f"{who}: a fold is left with one class to train on; spread both labels over more groups")
    return folds
