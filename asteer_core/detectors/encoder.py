"""Detector kind `encoder`: full fine-tuning of a sequence encoder, MiniLM by default, any Hugging Face encoder by name.

Not here: the training loop (`asteer_core.model.finetuning`), which is imported on first use because it loads torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from asteer_core.detectors.protocol import DETECTORS, Aids, Kind, Work, check_training, validation_of
from asteer_core.detectors.ranking import auroc
from asteer_core.detectors.text_sets import TextSet, need_prompts
from asteer_core.errors import ModelError, StoreError

if TYPE_CHECKING:
    from asteer_core.model.classifier import SequenceClassifier
    from asteer_core.model.finetuning import Task

NAME = "encoder"
FOLDER = "encoder"

Inputs = Literal["response", "prompt_response"]


@dataclass(frozen=True, eq=False)
class EncoderDetector:
    """P(violation) by a fine-tuned encoder; `history` holds loss and validation AUROC by epoch, newest last."""

    classifier: SequenceClassifier
    inputs: Inputs = "response"
    history: tuple[dict[str, float], ...] = ()

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]; longer texts than the encoder takes are cut at the end.

        Raises:
            DataError: the encoder reads prompts, and there are none.
        """
        return score_rows(self.classifier, texts.texts, need_prompts(texts, NAME) if self.inputs == "prompt_response" else None)

    def save(self, folder: Path) -> None:
        """Write the encoder as a Hugging Face folder (safetensors), which transformers reads as well."""
        self.classifier.save(folder / FOLDER)


@DETECTORS.register(NAME)
class EncoderKind(Kind):
    """Options of the kind.

    `model`: `minilm` (the embedded package), a folder, or a hub id such as `answerdotai/ModernBERT-base` or
    `microsoft/deberta-v3-small`. `inputs`: whether it reads the response, or the prompt with it. `patience`: epochs without a better
    validation result before training stops (null: never). `precision`: `auto` is bf16 on GPUs
    and CPUs that compute it natively, else float32.
    """

    trains_long = True

    model: str = "minilm"
    revision: str | None = None
    inputs: Inputs = "response"
    epochs: Annotated[int, Field(ge=1, le=100)] = 4
    batch_size: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=1)] | None = 1
    max_tokens: Annotated[int, Field(ge=8)] = 256
    class_weights: bool = True
    precision: Literal["auto", "float32", "bf16"] = "auto"
    device: str = "auto"

    def reads(self) -> frozenset[str]:
        """Return "prompts" where `inputs` asks for them."""
        return frozenset({"prompts"}) if self.inputs == "prompt_response" else frozenset()

    def identity(self) -> str:
        """Return the hash (or commit) of the pretrained weights."""
        from asteer_core.model.encoder_sources import encoder_fingerprint

        return encoder_fingerprint(self.model, self.revision)

    def operations(self, work: Work) -> float | None:
        """Return the operations of all epochs: six per weight and token trained on, two per one that is only read."""
        from asteer_core.model.encoder_sources import encoder_folder
        from asteer_core.model.sizes import count_weights

        folder = encoder_folder(self.model)
        weights = count_weights(folder, without_embeddings=True) if folder else None
        if weights is None:
            return None
        texts = self.epochs * (3 * work.train + work.validation) + work.scored
        return 2.0 * weights * min(work.tokens, self.max_tokens) * texts

    def check(self) -> None:
        """Raise where the encoder is neither a folder with safetensors nor named like one of the hub.

        Raises:
            ModelError: it is not; the message says what was expected.
        """
        from asteer_core.model.encoder_sources import encoder_spec

        encoder_spec(self.model, self.revision)

    def fit(self, train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids = Aids()) -> EncoderDetector:
        """Return the encoder of the best epoch by AUROC on validation texts, ties decided by log loss.

        Without `aids.validation` a part of the training texts is set aside for that, drawn by `rng`. With `aids.checkpoints` a run
        that was killed goes on where it stood, and ends as if it had not been.

        Raises:
            DataError: labels that cannot train (see `check_training`), or prompts are needed and missing.
            ModelError: the encoder cannot be loaded, or training diverges.
        """
        from asteer_core.model.backbones import load_backbone
        from asteer_core.model.finetuning import Recipe, fine_tune

        labels = check_training(train, labels)
        seed = int(rng.integers(2**31))
        (part, truth), (validation, known) = validation_of(train, labels, rng, aids)
        recipe = Recipe(**self.model_dump(exclude={"model", "revision", "inputs", "device"}))
        classifier, history = fine_tune(
            load_backbone(self.model, self.revision, self.device, seed=seed),
            self._task(part, truth),
            self._task(validation, known),
            lambda probabilities: _quality(known, probabilities),
            recipe,
            seed,
            checkpoints=aids.checkpoints,
            on_progress=aids.progress,
        )
        return EncoderDetector(classifier, self.inputs, tuple(history))

    def load(self, folder: Path) -> EncoderDetector:
        """Return the detector that `save` wrote; files that a saved encoder does not consist of are refused."""
        from asteer_core.model.classifier import load_saved

        try:
            classifier = load_saved(folder / FOLDER, self.device)
        except ModelError as error:
            raise StoreError(f"{folder}: {error}") from error
        if classifier.labels != ("compliant", "violating"):
            raise StoreError(f"{folder / FOLDER}: classes {classifier.labels}; a saved detector has ('compliant', 'violating')")
        return EncoderDetector(classifier, self.inputs)

    def _task(self, texts: TextSet, labels: np.ndarray) -> Task:
        from asteer_core.model.finetuning import Task

        return Task(texts.texts, labels.astype(np.int64), need_prompts(texts, NAME) if self.inputs == "prompt_response" else None)


def score_rows(classifier: SequenceClassifier, texts: Sequence[str], prompts: Sequence[str] | None) -> np.ndarray:
    """Return P(violation) per row, float64 [text]; the prompt, where the encoder reads one, comes first."""
    first, second = (texts, None) if prompts is None else (prompts, texts)
    return classifier.probabilities(list(first), None if second is None else list(second))[:, 1]


def _quality(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Return AUROC and minus the log loss."""
    safe = np.clip(probabilities, 1e-12, 1 - 1e-12)
    loss = -np.mean(np.where(labels == 1, np.log(safe), np.log1p(-safe)))
    return float(auroc(labels, probabilities, np.ones((len(labels), 1)))[0]), -float(loss)
