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
from asteer_core.judges import DryRun, Judge, Labelled, Rubric
from asteer_core.model.available import Available, available_models
from asteer_core.study.judge_choice import JudgeChoice
from asteer_core.study.judge_tools import JudgeTools
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
        self._models = _Models(available_models(self.home, self.data_root), self.data_root)
        self._models.available.get(self.scorer, "scorer")

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

    def judge(self, name: str, choice: JudgeChoice = JudgeChoice()) -> Judge:
        """Return a concept's judge, fitted to its judge split the first time and read from the home afterwards.

        Raises:
            AsteerError: no such concept, a judge split that nothing can be learned from, or a judge that cannot be asked.
        """
        concept, kind = self.concept(name), choice.build()
        path, seed = self._place(concept, choice)
        if path.is_file():
            return kind.load(path, Rubric.of(concept), self.judge_tools)
        judge = kind.fit(Rubric.of(concept), Labelled.of(concept.judge), self.judge_tools, np.random.default_rng(seed))
        path.parent.mkdir(parents=True, exist_ok=True)
        judge.save(path)
        return judge

    def judging(self, name: str, choice: JudgeChoice, texts: Sequence[str], prompts: Sequence[str]) -> DryRun | None:
        """Return what judging these responses takes, the labelled rows included that a new judge is tried on; None where nothing."""
        concept = self.concept(name)
        path, seed = self._place(concept, choice)
        rows = None if path.is_file() else Labelled.of(concept.judge)
        return choice.build().costs(Rubric.of(concept), rows, texts, prompts, self.judge_tools, np.random.default_rng(seed))

    def _place(self, concept: Concept, choice: JudgeChoice) -> tuple[Path, int]:
        """Return where a concept's judge is kept, and the seed it is fitted with."""
        what = ["judge", JUDGE_VERSION, concept.fingerprint, self._encoder.name]
        if choice != JudgeChoice():
            what += [choice.kind, *choice.build().identity(Rubric.of(concept), self.judge_tools)]
        key = fingerprint(what)
        return self.home / "cache" / "judges" / f"{concept.name}-{key}.safetensors", int(key, 16)

    @cached_property
    def judge_tools(self) -> JudgeTools:
        """What is lent to judges. It holds nothing of this object, so that neither keeps the other alive."""
        return JudgeTools(self.home, self.data_root, self._encoder.encode, self._models.load, self._models.identity)

    @cached_property
    def _encoder(self) -> EmbeddingCache:
        from asteer_core.model import EmbeddingCache, load_encoder

        return EmbeddingCache(self.home / "cache" / "embeddings", load_encoder())

    @cached_property
    def _static(self) -> StaticEncoder:
        from asteer_core.model import StaticEncoder

        return StaticEncoder(self.home, on_distil=self._on_distil)

    @property
    def _model(self) -> LanguageModel:
        return self._models.load(self.scorer)


class _Models:
    """The models of a home, each loaded once."""

    def __init__(self, available: Available, data_root: Path) -> None:
        self.available, self._data_root = available, data_root
        self._loaded: dict[str, LanguageModel] = {}

    def load(self, name: str) -> LanguageModel:
        from asteer_core.model import load_model

        if name not in self._loaded:
            self._loaded[name] = load_model(self.available.get(name), self._data_root)
        return self._loaded[name]

    def identity(self, name: str) -> str:
        from asteer_core.model.fingerprints import spec_fingerprint

        return spec_fingerprint(self.available.get(name), self._data_root)
