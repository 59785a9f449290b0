"""A saved detector at work on raw text: measures what its kind reads and scores it. Outside any study.

Not here: the folder of a detector (`asteer_core.detectors.persistence`), training one (`shipping.py`, `file_training.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asteer_core import paths
from asteer_core.detectors.cards import DetectorCard
from asteer_core.detectors.persistence import Saved, read_detector, threshold
from asteer_core.detectors.protocol import choose_kind
from asteer_core.errors import DataError, StoreError
from asteer_core.study.readings import Reader

if TYPE_CHECKING:
    from asteer_core.model import EmbeddingCache, LanguageModel


class TextDetector:
    """A detector that takes texts: `score` gives probabilities, `flag` compares them with a threshold.

    Args:
        saved: what was read.
        home: folder of the embedding cache and of the user's models; default `ASTEER_HOME`.
    """

    def __init__(self, saved: Saved, home: Path | None = None) -> None:
        self.saved = saved
        self._reader = Reader(choose_kind(saved.card.kind, saved.card.options), paths.home(home))

    @property
    def card(self) -> DetectorCard:
        """The model card."""
        return self.saved.card

    @property
    def reads_prompts(self) -> bool:
        """Whether every text must come with its prompt."""
        return "prompts" in self._reader.kind.reads()

    def score(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]; NaN where the detector cannot read a text (see its kind).

        Raises:
            DataError: the detector reads prompts, and there are none, or not one per text.
            StoreError: the encoder or language model here is not the one of training.
        """
        if isinstance(texts, str):
            raise DataError("score takes a list of texts; got one text, so put it into a list")
        if not len(texts):
            return np.empty(0)
        if self.reads_prompts and prompts is None:
            raise DataError(f"detector {self.card.name!r} reads prompts as well; give every text its prompt")
        if prompts is not None and len(prompts) != len(texts):
            raise DataError(f"detector {self.card.name!r}: {len(texts)} texts and {len(prompts)} prompts; expected one prompt per text")
        blocks = [getattr(self.saved.detector, "block", 0)]
        return self.saved.detector.score(self._reader.read(texts, prompts, "texts", self._encoder, self._model, blocks))

    def threshold(self, fpr: float | None = None) -> float:
        """Return the threshold at which at most `fpr` of the stored validation negatives are flagged.

        Without a rate that is 1 %, or where fewer than 100 negatives are stored the share that one of them is.
        """
        return threshold(self.saved, fpr)["threshold"]

    def flag(self, texts: Sequence[str], prompts: Sequence[str] | None = None, fpr: float | None = None) -> np.ndarray:
        """Return whether each text scores at or above `threshold(fpr)`, bool [text]."""
        return self.score(texts, prompts) >= self.threshold(fpr)

    @cached_property
    def _encoder(self) -> EmbeddingCache | None:
        encoder = self._reader.encoder()
        if encoder is not None and self.card.encoder not in (None, encoder.name):
            raise StoreError(f"detector {self.card.name!r} was trained on embeddings of {self.card.encoder}; here is {encoder.name}")
        return encoder

    @cached_property
    def _model(self) -> LanguageModel | None:
        model = self._reader.language_model()
        if model is not None and self.card.language_model not in (None, model.fingerprint):
            raise StoreError(
                f"detector {self.card.name!r} was trained on model {model.name!r} with other weights than those here; get the same"
            )
        return model


def load_detector(path: Path | str, home: Path | None = None) -> TextDetector:
    """Return the detector of a folder, ready for texts: `load_detector(path).score(["a reply"])`.

    Raises:
        StoreError: no detector there, or a file that is damaged or foreign.
    """
    return TextDetector(read_detector(path), home)
