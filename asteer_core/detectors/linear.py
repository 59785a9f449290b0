"""A balanced logistic regression on standardised features, and its file: what the kinds on frozen features share.

Not here: the features (embeddings, activations), which their kinds name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.special import expit

from asteer_core.errors import StoreError
from asteer_core.tensors import read_tensors, write_tensors

FILE = "detector.safetensors"
VERSION = 1
MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Linear:
    """P = sigmoid(w . x + b); the standardisation of training is folded into `weights` (float64 [feature]) and `bias`."""

    weights: np.ndarray
    bias: float

    @classmethod
    def fit(cls, x: np.ndarray, labels: np.ndarray, inverse_penalty: float) -> Self:
        """Return the regression on x float64 [text, feature] with equally weighted classes: .5 is the boundary at equal prevalence."""
        from sklearn.linear_model import LogisticRegression

        mean, deviation = x.mean(axis=0), x.std(axis=0)
        # A constant feature says nothing; dividing by its zero deviation would.
        scale = np.where(deviation > 0, deviation, 1.0)
        model = LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=MAX_ITERATIONS)
        model.fit((x - mean) / scale, labels)
        weights = model.coef_[0] / scale
        return cls(weights, float(np.ravel(model.intercept_)[0] - weights @ mean))

    def probability(self, x: np.ndarray) -> np.ndarray:
        """Return P per row of x, float64 [text]."""
        return expit(x @ self.weights + self.bias)

    def save(self, folder: Path, kind: str, **header: Any) -> None:
        """Write the regression under `folder` as safetensors, with more entries of the header if given."""
        write_tensors(folder / FILE, f"{kind} detector", VERSION, {**header, "bias": self.bias}, {"weights": self.weights})

    @classmethod
    def load(cls, folder: Path, kind: str) -> tuple[Self, dict[str, Any]]:
        """Return the regression and the header that `save` wrote.

        Raises:
            StoreError: missing, damaged or foreign file, or values that are not finite numbers of the expected shape.
        """
        header, tensors = read_tensors(folder / FILE, f"{kind} detector", VERSION)
        return cls(vector(folder, tensors, "weights"), number(folder, header, "bias")), header


def vector(folder: Path, tensors: dict[str, np.ndarray], name: str, *, kind: str = "f") -> np.ndarray:
    """Return a finite one-dimensional array of a detector file, floats by default.

    Raises:
        StoreError: it is not there, or is something else.
    """
    found = tensors.get(name)
    if found is None or found.ndim != 1 or not found.size or found.dtype.kind != kind or not np.isfinite(found).all():
        raise StoreError(f"{folder / FILE}: {name} is missing or not a row of finite numbers; save the detector again")
    return found


def number(folder: Path, header: dict[str, Any], name: str) -> float:
    """Return a finite number of the header.

    Raises:
        StoreError: it is not there, or no finite number.
    """
    value = header.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not np.isfinite(value):
        raise StoreError(f"{folder / FILE}: {name} is missing or no finite number; save the detector again")
    return float(value)
