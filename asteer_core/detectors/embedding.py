"""Detector kind `embedding`: logistic regression on frozen sentence embeddings. The default kind.

Not here: the encoder (embeddings arrive with the texts) and fine-tuning (`encoder.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from asteer_core.detectors.linear import Linear
from asteer_core.detectors.protocol import DETECTORS, Aids, Kind, check_training
from asteer_core.detectors.text_sets import TextSet, need_embeddings
from asteer_core.errors import DataError

NAME = "embedding"


@dataclass(frozen=True, eq=False)
class EmbeddingDetector:
    """P(violation) = sigmoid(w . x + b) on embeddings standardised by the training set's mean and deviation."""

    linear: Linear

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1].

        Raises:
            DataError: no embeddings, or of another width than those of training.
        """
        x = need_embeddings(texts)
        if x.shape[1] != len(self.linear.weights):
            raise DataError(
                f"{texts.place}: embeddings of width {x.shape[1]}, but the detector was trained on width "
                f"{len(self.linear.weights)}; use the encoder of training"
            )
        return self.linear.probability(x)

    def save(self, folder: Path) -> None:
        """Write weights and bias as safetensors."""
        self.linear.save(folder, NAME)


@DETECTORS.register(NAME)
class EmbeddingKind(Kind):
    """Options of the kind.

    `inverse_penalty` is sklearn's C on standardised features, the same for every arm: tuning it per arm would give arms unequal
    budgets. Of .001 to 10 the default did best on four DiaSafety categories (100 + 200 MiniLM embeddings; mean AUROC .76, against
    .75 at .01, .71 at 1).
    """

    needs = frozenset({"embeddings"})

    inverse_penalty: Annotated[float, Field(gt=0)] = 0.003

    def fit(self, train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids = Aids()) -> EmbeddingDetector:
        """Return the detector fitted to `labels` (0/1, [text]); `rng` is not drawn from, the problem is convex.

        Raises:
            DataError: no embeddings, or labels that cannot train (see `check_training`).
        """
        labels = check_training(train, labels)
        return EmbeddingDetector(Linear.fit(need_embeddings(train), labels, self.inverse_penalty))

    def load(self, folder: Path) -> EmbeddingDetector:
        """Return the detector that `save` wrote."""
        return EmbeddingDetector(Linear.load(folder, NAME)[0])
