"""Detector kind `activation_probe`: logistic regression on a language model's activations over the response, at one block.

Not here: reading activations (they arrive with the texts, under the model's name). Source: Alain and Bengio 2016,
https://arxiv.org/abs/1610.01644.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from asteer_core.detectors.linear import FILE, Linear
from asteer_core.detectors.protocol import DETECTORS, MIN_TEXTS_PER_CLASS, Aids, Kind, check_training, validation_of
from asteer_core.detectors.ranking import auroc
from asteer_core.detectors.text_sets import TextSet
from asteer_core.errors import ConfigError, DataError, StoreError

NAME = "activation_probe"
_PERCENT = re.compile(r"(\d{1,2}|100)%")


@dataclass(frozen=True, eq=False)
class ProbeDetector:
    """P(violation) = sigmoid(w . h + b), h the mean activation over the tokens of the response at `block` of `model`."""

    model: str
    block: int
    linear: Linear

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text]; NaN for a response without tokens, which has no activation.

        Raises:
            DataError: no activations of the model at the block, or of another width than those of training.
        """
        x = _activations(texts, self.model, self.block)
        if x.shape[1] != len(self.linear.weights):
            raise DataError(
                f"{texts.place}: activations of width {x.shape[1]}, but the probe was trained on width {len(self.linear.weights)}; "
                f"model {self.model!r} is another one than in training"
            )
        return self.linear.probability(x)

    def save(self, folder: Path) -> None:
        """Write weights, bias, model and block as safetensors."""
        self.linear.save(folder, NAME, model=self.model, block=self.block)


@DETECTORS.register(NAME)
class ProbeKind(Kind):
    """Options of the kind.

    `model`: a name in `models.yaml`. `layers`: blocks to choose from on validation, as numbers or percentages of depth.
    `inverse_penalty`: sklearn's C on standardised features.
    """

    needs = frozenset({"prompts", "activations"})

    model: str = "llama-3m"
    layers: Annotated[tuple[int | str, ...], Field(min_length=1)] = ("25%", "50%", "75%", "100%")
    inverse_penalty: Annotated[float, Field(gt=0)] = 0.003

    @field_validator("layers")
    @classmethod
    def _numbers_or_percentages(cls, values: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for value in values:
            if (isinstance(value, int) and value < 0) or (isinstance(value, str) and not _PERCENT.fullmatch(value)):
                raise ValueError(f"layer {value!r}; expected a block from 0, or a percentage of depth such as '50%'")
        return values

    def language_model(self) -> str:
        """Return the name of the model."""
        return self.model

    def blocks(self, n_blocks: int) -> list[int]:
        """Return the blocks to read in a model of `n_blocks`, ascending; '50%' of 32 blocks is block 15, '100%' the last.

        Raises:
            ConfigError: a block is not there.
        """
        found = set()
        for layer in self.layers:
            block = layer if isinstance(layer, int) else max(1, int(int(layer[:-1]) / 100 * n_blocks + 0.5)) - 1
            if block >= n_blocks:
                raise ConfigError(f"detector {NAME!r}: layer {layer} of model {self.model!r}, which has blocks 0 to {n_blocks - 1}")
            found.add(block)
        return sorted(found)

    def fit(self, train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids = Aids()) -> ProbeDetector:
        """Return the probe of the block with the highest AUROC on validation texts (ties: the earliest), trained on all of `train`.

        Without `aids.validation` a part of the training texts decides, drawn by `rng`. Responses without tokens are left out.

        Raises:
            DataError: no activations of the model, or labels that cannot train (see `check_training`).
        """
        labels = check_training(train, labels)
        blocks = sorted(block for model, block in train.activations if model == self.model)
        if not blocks:
            raise DataError(f"{train.place}: the {NAME!r} detector needs activations of model {self.model!r}; the texts have none")
        chosen = blocks[0]
        if len(blocks) > 1:
            (part, truth), (validation, known) = validation_of(train, labels, rng, aids)
            chosen = max(blocks, key=lambda block: self._quality(part, truth, validation, known, block))
        return ProbeDetector(self.model, chosen, self._fit(train, labels, chosen))

    def load(self, folder: Path) -> ProbeDetector:
        """Return the detector that `save` wrote."""
        linear, header = Linear.load(folder, NAME)
        if header.get("model") != self.model or not isinstance(header.get("block"), int) or header["block"] < 0:
            raise StoreError(f"{folder / FILE}: model and block do not fit the card; save the detector again")
        return ProbeDetector(self.model, header["block"], linear)

    def _fit(self, texts: TextSet, labels: np.ndarray, block: int) -> Linear:
        x = _activations(texts, self.model, block)
        known = np.isfinite(x).all(axis=1)
        if min((labels[known] == 1).sum(), (labels[known] == 0).sum()) < MIN_TEXTS_PER_CLASS:
            raise DataError(f"{texts.place}: {int((~known).sum())} of {len(x)} responses have no tokens; too few are left to train a probe")
        return Linear.fit(x[known], labels[known], self.inverse_penalty)

    def _quality(self, part: TextSet, truth: np.ndarray, validation: TextSet, known: np.ndarray, block: int) -> float:
        scores = self._fit(part, truth, block).probability(_activations(validation, self.model, block))
        there = np.isfinite(scores)
        return float(auroc(known[there], scores[there], np.ones((int(there.sum()), 1)))[0])


def _activations(texts: TextSet, model: str, block: int) -> np.ndarray:
    found = texts.activations.get((model, block))
    if found is None:
        raise DataError(f"{texts.place}: no activations of model {model!r} at block {block}; measure them first")
    return np.asarray(found, dtype=np.float64)
