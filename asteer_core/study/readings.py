"""What a detector kind reads of texts, measured outside any study: embeddings, activations, prompts.

Not here: scoring (`detecting.py`), the same inside a study, where it is shared between kinds and arms (`trial.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asteer_core import paths
from asteer_core.detectors import Kind, TextSet

if TYPE_CHECKING:
    from asteer_core.model import EmbeddingCache, LanguageModel


@dataclass(frozen=True)
class Reader:
    """Reads texts for one kind. `home`: the folder of the embedding cache and of the user's models."""

    kind: Kind
    home: Path

    def encoder(self) -> EmbeddingCache | None:
        """Return the sentence encoder behind its cache, or None where the kind reads no embeddings."""
        if "embeddings" not in self.kind.reads():
            return None
        from asteer_core.model import EmbeddingCache, load_encoder

        return EmbeddingCache(self.home / "cache" / "embeddings", load_encoder())

    def language_model(self) -> LanguageModel | None:
        """Return the language model whose activations the kind reads, loaded, or None.

        Raises:
            ConfigError: no such model is registered.
        """
        name = self.kind.language_model()
        if name is None:
            return None
        from asteer_core.model import load_model
        from asteer_core.model.available import available_models

        root = paths.data_root()
        return load_model(available_models(self.home, root).get(name), root)

    def read(
        self,
        texts: Sequence[str],
        prompts: Sequence[str] | None,
        where: str,
        encoder: EmbeddingCache | None,
        model: LanguageModel | None,
        blocks: Sequence[int] | None = None,
    ) -> TextSet:
        """Return the texts with what the kind reads of them; `blocks`: of the model, by default those the kind names."""
        embeddings = None if encoder is None else encoder.encode(list(texts))
        activations = {}
        if model is not None:
            from asteer_core.model.probing import activations_of

            activations = activations_of(model, prompts or (), texts, self.kind.blocks(model.n_blocks) if blocks is None else blocks)
        return TextSet(tuple(texts), embeddings, where, None if prompts is None else tuple(prompts), activations)
