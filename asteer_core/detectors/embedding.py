"""Detector kind `embedding`: logistic regression on frozen sentence embeddings. The default kind.

Not here: the encoder (embeddings arrive with the texts) and fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from asteer_core.detectors.protocol import DETECTORS, TextSet, check_training, need_embeddings
from asteer_core.errors import DataError

INVERSE_PENALTY = 0.003
"""sklearn's C on standardised features, the same for every arm: tuning it per arm would give arms unequal budgets.

Of .001 to 10 it did best on four DiaSafety categories (100 + 200 MiniLM embeddings; mean AUROC .76, against .75 at .01, .71 at 1).
"""

MAX_ITERATIONS = 1000


@DETECTORS.register("embedding")
@dataclass(frozen=True, eq=False)
class EmbeddingDetector:
    """P(violation) = sigmoid(w . x + b) on embeddings standardised by the training set's mean and deviation.

    Classes are weighted equally, so a score of .5 is the boundary at equal prevalence whatever the training shares.

    Attributes:
        weights: float64 [d_embed], for raw embeddings (the standardisation is folded in).
        bias: float.
    """

    weights: np.ndarray
    bias: float

    @classmethod
    def fit(cls, train: TextSet, labels: np.ndarray, rng: np.random.Generator) -> Self:
        """Return the detector fitted to `labels` (0/1, [text]); `rng` is not drawn from, the problem is convex.

        Raises:
            DataError: no embeddings, or labels that cannot train (see `check_training`).
        """
        from sklearn.linear_model import LogisticRegression

        labels = check_training(train, labels)
        x = need_embeddings(train)
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        # A constant feature says nothing; dividing by its zero deviation would.
        scale = np.where(deviation > 0, deviation, 1.0)
        model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=MAX_ITERATIONS)
        model.fit((x - mean) / scale, labels)
        weights = model.coef_[0] / scale
        return cls(weights, float(np.ravel(model.intercept_)[0] - weights @ mean))

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1].

        Raises:
            DataError: no embeddings, or of another width than those of training.
        """
        x = need_embeddings(texts)
        if x.shape[1] != len(self.weights):
            raise DataError(
                f"{texts.place}: embeddings of width {x.shape[1]}, but the detector was trained on width "
                f"{len(self.weights)}; use the encoder of training"
            )
        return expit(x @ self.weights + self.bias)
