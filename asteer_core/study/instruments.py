"""What measures a corpus outside a study: encoder, scorer LM and judges, each loaded on first use and cached under a home."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from asteer_core import paths
from asteer_core.concepts import Concept, load_concept
from asteer_core.judges import EmbeddedJudge
from asteer_core.model.available import available_models
from asteer_core.types import fingerprint

if TYPE_CHECKING:
    from asteer_core.metrics import Embedding
    from asteer_core.model import EmbeddingCache, LanguageModel, StaticEncoder

DEFAULT_SCORER = "neox-2m"
JUDGE_VERSION = 1
REAL = "detector_positives"
"""The split of real violating texts that detectors learn from; test texts stay unseen."""


class Instruments:
    """Encoder, scorer and judges.

    Args:
        home: folder of the caches; default `ASTEER_HOME`.
        scorer: name in `models.yaml` of the LM whose likelihoods tell fluent text; not the model that wrote the corpus.
        on_distil: called with (done, total) tokens while static embeddings are distilled, once per home.

    Raises:
        ConfigError: the registry knows no such scorer.
    """

    def __init__(
        self, home: Path | str | None = None, scorer: str | None = None, on_distil: Callable[[int, int], None] | None = None
    ) -> None:
        self._on_distil = on_distil
        self.home = paths.home(home)
        self.data_root = paths.data_root()
        self.scorer = scorer or DEFAULT_SCORER
        self._spec = available_models(self.home, self.data_root).get(self.scorer, "scorer")

    def concept(self, name: str) -> Concept:
        """Return a concept by name, or by the path of its folder."""
        return load_concept(name, paths.concept_roots(self.home, self.data_root), self.home / "cache" / "datasets")

    def embed(self, texts: Sequence[str], embedding: Embedding = "encoder") -> np.ndarray:
        """Return unit embeddings, float32 [text, d_embed]."""
        return (self._static if embedding == "static" else self._encoder).encode(texts)

    def real(self, concept: str, embedding: Embedding = "encoder") -> np.ndarray:
        """Return unit embeddings of a concept's real violating texts, float32 [text, d_embed]."""
        rows = self.concept(concept).real.filter(pl.col("split") == REAL)
        return self.embed(rows["response"].to_list(), embedding)

    def nll(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Return the mean token NLL of each response under the scorer, nats, float64 [row]; NaN where it has no token in the context."""
        from asteer_core.model import mean_token_nll

        return mean_token_nll(self._model, prompts, responses)[0]

    def cut(self, prompts: Sequence[str], responses: Sequence[str]) -> int:
        """Return how many responses end beyond the scorer's context, so that their likelihood covers a part of them or nothing."""
        from asteer_core.model import cut_responses

        return int(cut_responses(self._model, prompts, responses).sum())

    def judge(self, name: str) -> EmbeddedJudge:
        """Return a concept's embedded judge, fitted on its judge split the first time and read from the home afterwards.

        Raises:
            AsteerError: no such concept, or a judge split that nothing can be learned from.
        """
        concept = self.concept(name)
        key = fingerprint(["judge", JUDGE_VERSION, concept.fingerprint, self._encoder.name])
        path = self.home / "cache" / "judges" / f"{concept.name}-{key}.safetensors"
        if path.is_file():
            return EmbeddedJudge.load(path)
        rows = concept.judge
        texts = rows["response"].to_list()
        rng = np.random.default_rng(int(key, 16))
        judge = EmbeddedJudge.fit(texts, self.embed(texts), rows["label"].to_numpy(), rows["group"].to_numpy(), rng)
        judge.save(path)
        return judge

    @cached_property
    def _encoder(self) -> EmbeddingCache:
        from asteer_core.model import EmbeddingCache, load_encoder

        return EmbeddingCache(self.home / "cache" / "embeddings", load_encoder())

    @cached_property
    def _static(self) -> StaticEncoder:
        from asteer_core.model import StaticEncoder

        return StaticEncoder(self.home, on_distil=self._on_distil)

    @cached_property
    def _model(self) -> LanguageModel:
        from asteer_core.model import load_model

        return load_model(self._spec, self.data_root)
