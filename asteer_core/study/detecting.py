"""A saved detector at work on raw text: measures what its kind reads and scores it. Outside any study.

Not here: the folder of a detector (`asteer_core.detectors.persistence`), training one from a study (`shipping.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asteer_core import paths
from asteer_core.detectors import TextSet
from asteer_core.detectors.cards import DetectorCard
from asteer_core.detectors.persistence import Saved, read_detector, threshold
from asteer_core.detectors.protocol import choose_kind
from asteer_core.errors import DataError, StoreError


class TextDetector:
    """A detector that takes texts: `score` gives probabilities, `flag` compares them with a threshold.

    Args:
        saved: what was read.
        home: folder of the embedding cache and of the user's models; default `ASTEER_HOME`.
    """

    def __init__(self, saved: Saved, home: Path | None = None) -> None:
        self.saved, self._home = saved, paths.home(home)
        self._kind = choose_kind(saved.card.kind, saved.card.options)

    @property
    def card(self) -> DetectorCard:
        """The model card."""
        return self.saved.card

    @property
    def reads_prompts(self) -> bool:
        """Whether every text must come with its prompt."""
        return "prompts" in self._kind.reads()

    def score(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]; NaN where the detector cannot read a text (see its kind).

        Raises:
            DataError: the detector reads prompts, and there are none.
            StoreError: the encoder or language model here is not the one of training.
        """
        if isinstance(texts, str):
            raise DataError("score takes a list of texts; got one text, so put it into a list")
        if not len(texts):
            return np.empty(0)
        if self.reads_prompts and prompts is None:
            raise DataError(f"detector {self.card.name!r} reads prompts as well; give every text its prompt")
        asked = None if prompts is None else tuple(prompts)
        embeddings = self._embed(texts) if "embeddings" in self._kind.reads() else None
        activations = {}
        if name := self._kind.language_model():
            activations = self._activations(name, asked or (), texts)
        return self.saved.detector.score(TextSet(tuple(texts), embeddings, "texts", asked, activations))

    def threshold(self, fpr: float) -> float:
        """Return the lowest threshold at which at most `fpr` of the stored validation negatives are flagged."""
        return threshold(self.saved, fpr)["threshold"]

    def flag(self, texts: Sequence[str], prompts: Sequence[str] | None = None, fpr: float = 0.01) -> np.ndarray:
        """Return whether each text scores at or above `threshold(fpr)`, bool [text]."""
        return self.score(texts, prompts) >= self.threshold(fpr)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        from asteer_core.model import EmbeddingCache, load_encoder

        encoder = load_encoder()
        if self.card.encoder not in (None, encoder.fingerprint):
            raise StoreError(f"detector {self.card.name!r} was trained on embeddings of {self.card.encoder}; here is {encoder.fingerprint}")
        return EmbeddingCache(self._home / "cache" / "embeddings", encoder).encode(texts)

    def _activations(self, name: str, prompts: Sequence[str], texts: Sequence[str]) -> dict[tuple[str, int], np.ndarray]:
        from asteer_core.model import load_model
        from asteer_core.model.available import available_models
        from asteer_core.model.probing import activations_of

        root = paths.data_root()
        model = load_model(available_models(self._home, root).get(name), root)
        if self.card.language_model not in (None, model.fingerprint):
            raise StoreError(f"detector {self.card.name!r} was trained on model {name!r} with other weights than those here; get the same")
        return activations_of(model, prompts, texts, [getattr(self.saved.detector, "block", 0)])


def load_detector(path: Path | str, home: Path | None = None) -> TextDetector:
    """Return the detector of a folder, ready for texts: `load_detector(path).score(["a reply"])`.

    Raises:
        StoreError: no detector there, or a file that is damaged or foreign.
    """
    return TextDetector(read_detector(path), home)
