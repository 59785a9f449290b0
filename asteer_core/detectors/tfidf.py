"""Detector kind `tfidf`: logistic regression on TF-IDF of word 1-2-grams. The floor that any other kind must clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from scipy.special import expit

from asteer_core.detectors.linear import FILE, VERSION, number, vector
from asteer_core.detectors.protocol import DETECTORS, Aids, Kind, check_training
from asteer_core.detectors.text_sets import TextSet
from asteer_core.errors import StoreError
from asteer_core.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

COLUMNS = 2**31 - 1
"""Width of the hashed n-gram space, so wide that collisions are rare: counts need no vocabulary, and are made once per test set."""

NAME = "tfidf"
MAX_ITERATIONS = 1000


def count_ngrams(texts: Sequence[str]) -> csr_matrix:
    """Return counts of lower-cased word 1-2-grams, float64 [text, 2**31 - 1], columns by hash."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import HashingVectorizer

    if not texts:
        return csr_matrix((0, COLUMNS))
    # One-letter words count too: "I" and "u" carry style and address.
    plain: dict[str, Any] = {"alternate_sign": False, "norm": None, "token_pattern": r"(?u)\b\w+\b"}
    hashing = HashingVectorizer(n_features=COLUMNS, ngram_range=(1, 2), **plain)
    return csr_matrix(hashing.transform(texts))


@dataclass(frozen=True, eq=False)
class TfidfDetector:
    """P(violation) = sigmoid(w . x + b), x the L2-normalised TF-IDF of the n-grams seen in training.

    Attributes:
        columns: int64 [feature], hashed n-grams seen in training, ascending.
        idf: float64 [feature], ln((1 + n) / (1 + df)) + 1.
        weights: float64 [feature].
        bias: float.
    """

    columns: np.ndarray
    idf: np.ndarray
    weights: np.ndarray
    bias: float

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]; a text of unseen words gets the bias alone."""
        return expit(_weigh(_project(texts.ngram_counts, self.columns), self.idf) @ self.weights + self.bias)

    def save(self, folder: Path) -> None:
        """Write the hashed n-grams and their weights as safetensors; no word can be read back from them."""
        tensors = {"columns": self.columns, "idf": self.idf, "weights": self.weights}
        write_tensors(folder / FILE, f"{NAME} detector", VERSION, {"bias": self.bias}, tensors)


@DETECTORS.register(NAME)
class TfidfKind(Kind):
    """Options of the kind: `inverse_penalty` is sklearn's C, the same for every arm."""

    needs = frozenset({"ngrams"})

    inverse_penalty: Annotated[float, Field(gt=0)] = 1.0

    def fit(self, train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids = Aids()) -> TfidfDetector:
        """Return the detector fitted to `labels` (0/1, [text]); `rng` is not drawn from, the problem is convex.

        Raises:
            DataError: labels that cannot train (see `check_training`).
        """
        from sklearn.linear_model import LogisticRegression

        labels = check_training(train, labels)
        columns = np.unique(train.ngram_counts.indices).astype(np.int64)
        counts = _project(train.ngram_counts, columns)
        frequency = np.bincount(counts.indices, minlength=len(columns))
        idf = np.log((1 + len(train)) / (1 + frequency)) + 1
        model = LogisticRegression(C=self.inverse_penalty, class_weight="balanced", max_iter=MAX_ITERATIONS)
        model.fit(_weigh(counts, idf), labels)
        return TfidfDetector(columns, idf, model.coef_[0], float(np.ravel(model.intercept_)[0]))

    def load(self, folder: Path) -> TfidfDetector:
        """Return the detector that `save` wrote.

        Raises:
            StoreError: a damaged or foreign file.
        """
        header, tensors = read_tensors(folder / FILE, f"{NAME} detector", VERSION)
        columns = vector(folder, tensors, "columns", kind="i")
        idf, weights = vector(folder, tensors, "idf"), vector(folder, tensors, "weights")
        if not len(columns) == len(idf) == len(weights) or (np.diff(columns) <= 0).any() or columns[0] < 0:
            raise StoreError(f"{folder / FILE}: n-grams and weights do not fit together; save the detector again")
        return TfidfDetector(columns, idf, weights, number(folder, header, "bias"))


def _project(counts: csr_matrix, columns: np.ndarray) -> csr_matrix:
    """Return `counts` on the given ascending columns only, [text, feature]."""
    from scipy.sparse import csr_matrix

    where = np.searchsorted(columns, counts.indices)
    known = where < len(columns)
    known[known] = columns[where[known]] == counts.indices[known]
    kept = np.concatenate([[0], np.cumsum(known)])
    return csr_matrix((counts.data[known], where[known], kept[counts.indptr]), shape=(len(counts.indptr) - 1, len(columns)))


def _weigh(counts: csr_matrix, idf: np.ndarray) -> csr_matrix:
    """Return TF-IDF rows of unit length (zero rows stay zero)."""
    from scipy.sparse import csr_matrix

    data, n_texts = counts.data * idf[counts.indices], len(counts.indptr) - 1
    rows = np.repeat(np.arange(n_texts), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, weights=data**2, minlength=n_texts))
    return csr_matrix((data / norms[rows], counts.indices, counts.indptr), shape=(n_texts, len(idf)))
