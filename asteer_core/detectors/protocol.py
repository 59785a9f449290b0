"""What a detector kind is, and the texts it reads. Here: `TextSet`, the protocol, the registry, checks shared by all kinds.

Not here: any kind itself (one file each), evaluation (`evaluation.py`), how training sets are composed (`arms.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

from asteer_core.errors import DataError
from asteer_core.registry import Registry

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MIN_TEXTS_PER_CLASS = 5
"""Fewest training texts of either class that a detector accepts."""


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with, where known, their frozen sentence embeddings.

    Attributes:
        texts: the responses.
        embeddings: float32 [text, d_embed], or None where no kind in use needs them.
        where: what these texts are, shown in errors ("concept toxicity, configuration llama-3m:caa:L02:s0.60").
    """

    texts: tuple[str, ...]
    embeddings: np.ndarray | None = None
    where: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(self.texts))
        if self.embeddings is None:
            return
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.texts):
            raise DataError(
                f"{self.place}: embeddings have shape {self.embeddings.shape} for {len(self.texts)} texts; "
                "expected [text, d_embed] with one row per text, in the same order"
            )
        broken = np.flatnonzero(~np.isfinite(self.embeddings).all(axis=1))
        if broken.size:
            raise DataError(
                f"{self.place}: the embeddings of {broken.size} texts hold NaN or infinity (rows {broken[:5].tolist()}); "
                "embed those texts again, or leave them out"
            )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def place(self) -> str:
        """The set's name in error messages."""
        return self.where or "text set"

    @cached_property
    def ngram_counts(self) -> csr_matrix:
        """Hashed counts of word 1-2-grams, [text, column]; counted once, and sliced with the set."""
        from asteer_core.detectors.tfidf import count_ngrams

        return count_ngrams(self.texts)

    def take(self, rows: np.ndarray) -> TextSet:
        """Return the texts at `rows` (integer indices or a mask), with what has been computed for them already."""
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=int)
        part = TextSet(tuple(self.texts[i] for i in rows), None if self.embeddings is None else self.embeddings[rows], self.where)
        if "ngram_counts" in self.__dict__:
            part.__dict__["ngram_counts"] = self.ngram_counts[rows]
        return part

    def join(self, other: TextSet) -> TextSet:
        """Return both sets in one, `self` first; embeddings survive only if both sides have them."""
        embeddings = None
        if self.embeddings is not None and other.embeddings is not None:
            if self.embeddings.shape[1] != other.embeddings.shape[1]:
                raise DataError(
                    f"{self.place} has embeddings of width {self.embeddings.shape[1]}, {other.place} of width "
                    f"{other.embeddings.shape[1]}; embed both with one encoder"
                )
            embeddings = np.concatenate([self.embeddings, other.embeddings])
        both = TextSet(self.texts + other.texts, embeddings, self.where or other.where)
        if "ngram_counts" in self.__dict__ and "ngram_counts" in other.__dict__:
            from scipy.sparse import csr_matrix, vstack

            both.__dict__["ngram_counts"] = csr_matrix(vstack([self.ngram_counts, other.ngram_counts]))
        return both


@runtime_checkable
class Detector(Protocol):
    """One detector kind: `fit` on labelled texts gives a detector, `score` gives probabilities of violation."""

    @classmethod
    def fit(cls, train: TextSet, labels: np.ndarray, rng: np.random.Generator) -> Self:
        """Return a detector fitted to `labels` (0/1, [text])."""
        ...

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]."""
        ...


DETECTORS: Registry[type[Detector]] = Registry("detector", "asteer_core.detectors")
"""Detector kinds by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.detectors`."""


def check_training(train: TextSet, labels: np.ndarray) -> np.ndarray:
    """Return the labels as float64 [text] once they can train a detector.

    Raises:
        DataError: labels and texts differ in number, a label is not 0 or 1, or a class has fewer than five texts.
    """
    labels = np.asarray(labels, dtype=float)
    if labels.shape != (len(train),):
        raise DataError(f"{train.place}: {labels.shape} labels for {len(train)} texts; expected one 0/1 label per text")
    wrong = np.flatnonzero(~np.isin(labels, (0.0, 1.0)))
    if wrong.size:
        raise DataError(f"{train.place}: label {labels[wrong[0]]} in row {wrong[0]}; detector labels are 0 (compliant) and 1 (violating)")
    for name, count in (("positive", int(labels.sum())), ("negative", int((labels == 0).sum()))):
        if count < MIN_TEXTS_PER_CLASS:
            raise DataError(
                f"{train.place}: {count} {name} training texts of {len(train)}; a detector needs at least "
                f"{MIN_TEXTS_PER_CLASS} of each class, so add {name} texts or drop this arm"
            )
    return labels


def need_embeddings(texts: TextSet) -> np.ndarray:
    """Return the embeddings as float64 [text, d_embed].

    Raises:
        DataError: the set was made without embeddings.
    """
    if texts.embeddings is None:
        raise DataError(f"{texts.place}: the 'embedding' detector needs sentence embeddings; pass TextSet(texts, embeddings)")
    return np.asarray(texts.embeddings, dtype=np.float64)
