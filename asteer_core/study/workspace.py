"""What the stages of one study share: the plan, the store, and what is loaded once (concepts, models, encoder, judges).

Models and the encoder are loaded on first use, so planning or adopting stored results never imports torch.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asteer_core import paths
from asteer_core.concepts import Concept, Template, load_concept
from asteer_core.errors import ConfigError
from asteer_core.model.available import Available, available_models
from asteer_core.model.depth import read_depth
from asteer_core.model.specs import ModelSpec
from asteer_core.study.judge_choice import check_asked_model
from asteer_core.study.judge_tools import JudgeTools
from asteer_core.study.plan import Plan, plan
from asteer_core.study.recipes import check_methods
from asteer_core.study.study import Study
from asteer_core.types import fingerprint
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

if TYPE_CHECKING:
    from asteer_core.metrics import Embedding
    from asteer_core.model import EmbeddingCache, LanguageModel, StaticEncoder

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, note) as work goes on."""


class Workspace:
    """A study opened for work.

    Args:
        study: what is to be run.
        home: folder for outputs; default `ASTEER_HOME`.
        data_root: folder with concepts, models and presets; default the one that ships.
        progress: called as work goes on.

    Raises:
        AsteerError: an unknown concept, model or method, a strength outside a method's dial, or a wrong option; before anything runs.
    """

    def __init__(self, study: Study, home: Path | None = None, data_root: Path | None = None, progress: Progress | None = None) -> None:
        self.study = study
        self.home = paths.home(home)
        self.data_root = data_root or paths.data_root()
        self.progress = progress
        self.run_id = uuid.uuid4().hex[:12]
        self.store = Store(studies(self.home) / study.name)
        self._concepts: dict[str, Concept] = {}
        self._models: dict[str, LanguageModel] = {}
        self._fingerprints: dict[str, str] = {}
        self._memory: dict[Any, Any] = {}
        self._check()
        self.plan: Plan = plan(study, self.depth)

    def _check(self) -> None:
        # Reads workspaces itself.
        from asteer_core.study.alternatives import check_alternatives

        check_methods(self.study)
        check_alternatives(self.study.metrics.alternatives)
        for name in self.study.models:
            self.spec(name)
            self.scorer_of(name)
        for name in self.study.concepts:
            self.concept(name)
        check_asked_model(self.study.judge, self.study.name, self.study.models, self.spec)
        for kind in (choice.build() for choice in self.study.detectors.kinds):
            # Detectors come last; what they lack must not be found out after hours of generation.
            kind.check()
            if name := kind.language_model():
                kind.blocks(self.depth(name))

    def check_before_running(self) -> None:
        """Raise where something that is needed late is missing now, such as the key of a judge; reading results does not need it.

        Raises:
            AsteerError: the message says what to set.
        """
        self.study.judge.build().check(self.judge_tools)

    @cached_property
    def available(self) -> Available:
        """The models that may be named: those that ship, and those of the home."""
        return available_models(self.home, self.data_root)

    @property
    def registry(self) -> Mapping[str, ModelSpec]:
        """The usable models by name."""
        return self.available.specs

    def concept(self, name: str) -> Concept:
        """Return a concept, read and validated once, with enough generation prompts for the study."""
        if name not in self._concepts:
            concept = load_concept(name, paths.concept_roots(self.home, self.data_root), self.home / "cache" / "datasets")
            if concept.prompts.height < self.study.size.prompts:
                raise ConfigError(
                    f"study {self.study.name!r} asks for {self.study.size.prompts} prompts, but concept {name!r} has "
                    f"{concept.prompts.height} in {concept.folder / 'prompts.jsonl'}; lower size.prompts or add rows"
                )
            self._concepts[name] = concept
        return self._concepts[name]

    def templates(self, concept: str) -> tuple[Template, ...]:
        """Return the prompting templates of the study: mild and strong in turn, cut to `controls.templates`."""
        found = self.concept(concept).templates
        mild = [template for template in found if template.level == "mild"]
        strong = [template for template in found if template.level == "strong"]
        turns = [template for pair in zip(strong, mild, strict=False) for template in pair]
        turns += [template for template in found if template not in turns]
        return tuple(turns[: self.study.controls.templates])

    def spec(self, model: str) -> ModelSpec:
        """Return a model's registry entry.

        Raises:
            ConfigError: no such model (the nearest is suggested), or its entry is broken.
        """
        return self.available.get(model)

    def depth(self, model: str) -> int:
        """Return the number of blocks of a model, read from its configuration without loading it.

        Raises:
            AsteerError: no such model, or its configuration cannot be read or names no depth.
        """
        return self.remember(("depth", model), lambda: read_depth(self.spec(model), self.data_root))

    def scorer_of(self, model: str) -> str:
        """Return the name of the model that scores the coherence of `model`'s texts: never the steered model itself.

        Raises:
            ConfigError: the registry names none and holds no other model.
        """
        scorer = self.available.scorer_of(model)
        if scorer is None or scorer == model:
            raise ConfigError(f"model {model!r} has no scorer; name another model under `scorer:` in {self.home / 'models.yaml'}")
        self.spec(scorer)
        return scorer

    def model(self, name: str) -> LanguageModel:
        """Return a loaded model; at most two stay in memory (the steered one and its scorer)."""
        if name not in self._models:
            from asteer_core.model import load_model

            while len(self._models) >= 2:
                self._models.pop(next(iter(self._models)))
            self._models[name] = load_model(self.spec(name), self.data_root)
        return self._models[name]

    def model_fingerprint(self, name: str) -> str:
        """Return the hash of a model's weights, read without loading it."""
        if name not in self._fingerprints:
            from asteer_core.model.fingerprints import spec_fingerprint

            self._fingerprints[name] = spec_fingerprint(self.spec(name), self.data_root)
        return self._fingerprints[name]

    @cached_property
    def judge_tools(self) -> JudgeTools:
        """What this study lends to its judge."""
        return JudgeTools(
            self.home, self.data_root, lambda texts: self.embed(texts, "judges"), self.model, self.model_fingerprint, self.study.name
        )

    @cached_property
    def encoder(self) -> EmbeddingCache:
        """The sentence encoder behind its cache on disk, which all studies of this home share."""
        from asteer_core.model import EmbeddingCache, load_encoder

        return EmbeddingCache(self.home / "cache" / "embeddings", load_encoder())

    @cached_property
    def static(self) -> StaticEncoder:
        """The static embeddings of this home. Not cached on disk: looking a text up again costs less than keeping its vector."""
        from asteer_core.model import StaticEncoder

        note = "distilling static embeddings, once per home"
        return StaticEncoder(self.home, on_distil=lambda done, total: self.report("static_embeddings", done, total, note))

    def embed(self, texts: list[str], stage: str, embedding: Embedding = "encoder") -> np.ndarray:
        """Return unit embeddings, float32 [text, d_embed]."""
        if embedding == "static":
            return self.static.encode(texts)
        return self.encoder.encode(texts, on_progress=lambda done, total: self.report(stage, done, total, "embedding texts"))

    def remember(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` returned the first time `key` was asked for."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def rng(self, *what: str) -> np.random.Generator:
        """Return a generator seeded by the study's seed and what it is for."""
        return np.random.default_rng(int(fingerprint([self.study.seed, *what]), 16))

    def report(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Pass progress on to whoever listens."""
        if self.progress:
            self.progress(stage, done, total, note)

    def close(self) -> None:
        """Forget loaded models and data."""
        self._models.clear()
        self._memory.clear()
        # They lend what this object holds, and would keep it alive until the next collection of cycles.
        self.__dict__.pop("judge_tools", None)
