"""What a judge is, and what a kind of judge is. Here: the protocols, the registry, the choice of a kind by name and options.

Not here: any kind itself (one file each), what an asked judge does with labels (`asked.py`), how a study lends its models (`study`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from asteer_core.errors import ConfigError, did_you_mean
from asteer_core.registry import Registry

if TYPE_CHECKING:
    import polars as pl

    from asteer_core.judges._budget import DryRun
    from asteer_core.judges._rubric import Rubric
    from asteer_core.judges._verdicts import Verdicts
    from asteer_core.judges.guard import Classifier
    from asteer_core.judges.logodds import AnswerLogOdds

DEFAULT = "embedded"
"""The kind that judges where none is chosen."""


@dataclass(frozen=True)
class Labelled:
    """Labelled responses, such as a concept's judge split. Row i of each is one response.

    `labels`: int, 1 = violates. `groups`: prompt group. `kinds`: what sort of row it is, for means per kind; "unnamed" where unknown.
    """

    texts: list[str]
    prompts: list[str]
    labels: np.ndarray
    groups: np.ndarray
    kinds: list[str]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Labelled:
        """Return the rows of a concept's judge split."""
        kinds = frame["kind"].fill_null("unnamed").to_list()
        labels, groups = frame["label"].to_numpy(), frame["group"].to_numpy()
        return cls(frame["response"].to_list(), frame["prompt"].to_list(), labels, groups, kinds)

    def take(self, rows: np.ndarray) -> Labelled:
        """Return the named rows, int [row]."""
        texts, prompts, kinds = ([values[int(row)] for row in rows] for values in (self.texts, self.prompts, self.kinds))
        return Labelled(texts, prompts, self.labels[rows], self.groups[rows], kinds)


@runtime_checkable
class Judge(Protocol):
    """A judge of one concept, ready to be asked."""

    report: dict[str, Any]
    """What is known of its quality: figures by name, `n` labelled rows among them."""

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None, embeddings: np.ndarray | None = None) -> Verdicts:
        """Return the verdicts on responses to `prompts`; `embeddings` [text, d_embed] are the sentence encoder's."""
        ...

    def save(self, path: Path) -> None:
        """Write what `JudgeKind.load` needs as one file, without pickle and without a key."""
        ...


class Tools(Protocol):
    """What a kind of judge may ask for: each is loaded on first use and lent by the study, or by whatever scores a file."""

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return unit embeddings of the sentence encoder, float32 [text, d_embed]."""
        ...

    def answer(self, model: str) -> AnswerLogOdds:
        """Return the function that puts questions to a model of `models.yaml`."""
        ...

    def classifier(self, source: str, revision: str | None, trust_remote_code: bool) -> Classifier:
        """Return a sequence classifier from a folder or the hub."""
        ...

    def verdicts(self) -> Path:
        """Return the file in which verdicts are kept that were paid for."""
        ...

    def account(self) -> str | None:
        """Return under which name spending is kept beside the verdicts, over all runs; None: each judge counts for itself."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Be told how many of the questions that are being asked have been answered."""
        ...

    def model_identity(self, name: str) -> str:
        """Return a hash of a model of `models.yaml`, without loading it."""
        ...

    def classifier_identity(self, source: str, revision: str | None, trust_remote_code: bool) -> str:
        """Return a hash of a classifier, without loading it."""
        ...

    def classifier_labels(self, source: str) -> tuple[str, ...] | None:
        """Return the label names of a classifier in a folder, without loading it; None where they are not known before."""
        ...


class JudgeKind(BaseModel, ABC):
    """One kind of judge with its options, which are the fields of the class."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    loads_model: ClassVar[bool] = False
    """Whether a language model or classifier is loaded, which takes a GPU where there is one."""

    @abstractmethod
    def fit(self, rubric: Rubric, rows: Labelled, tools: Tools, rng: np.random.Generator) -> Judge:
        """Return the judge of a concept, fitted to labelled rows and with a report on them."""

    @abstractmethod
    def load(self, path: Path, rubric: Rubric, tools: Tools) -> Judge:
        """Return the judge that `Judge.save` wrote.

        Raises:
            StoreError: the file is missing, damaged or of another kind.
        """

    @abstractmethod
    def identity(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return, as JSON, all that verdicts depend on besides the concept's files: options, weights, wording; part of content keys."""

    def language_model(self) -> str | None:
        """Return the name in `models.yaml` of the model that is asked, if any."""
        return None

    def check(self, tools: Tools) -> None:
        """Raise an `AsteerError` where no verdict can be had, such as for want of a key or a folder; called before a study begins."""

    def costs(
        self, rubric: Rubric, rows: Labelled | None, texts: Sequence[str], prompts: Sequence[str], tools: Tools, rng: np.random.Generator
    ) -> DryRun | None:
        """Return what fitting to `rows` (None: it is fitted) and judging these responses takes; nothing is sent. None where nothing."""
        return None

    def tried_on(self, rows: int) -> int:
        """Return how many of so many labelled rows are asked about before the judge is used."""
        return 0

    def expected(self, rubric: Rubric, texts: int, characters: float) -> DryRun | None:
        """Return what judging costs at an endpoint: `texts` pairs of prompt and response, of `characters` each; None where nothing."""
        return None


JUDGES: Registry[type[JudgeKind]] = Registry("judge", "asteer_core.judges")
"""Kinds of judges by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.judges`."""


def choose_judge(name: str, options: Mapping[str, Any] | None = None) -> JudgeKind:
    """Return the kind `name` with its options.

    Raises:
        ConfigError: no such kind, no such option (the nearest is suggested), or a wrong value; values are not quoted, one may be a key.
    """
    chosen = JUDGES.get(name)
    try:
        return chosen.model_validate(dict(options or {}))
    except ValidationError as error:
        known = list(chosen.model_fields)
        faults = error.errors()
        about_names = any(fault["type"] in ("extra_forbidden", "missing") for fault in faults)
        listed = f" Options: {', '.join(known)}." if about_names else ""
        raise ConfigError(f"judge {name!r}: {'; '.join(_fault(fault, known) for fault in faults)}{listed}") from None


def _fault(fault: Any, known: list[str]) -> str:
    option = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"unknown option {option!r}.{did_you_mean(option, known)}"
    if fault["type"] == "missing":
        return f"option {option!r} is missing."
    said = "expected a list, such as [toxic, threat]" if fault["type"] == "tuple_type" else fault["msg"].removeprefix("Value error, ")
    return f"option {option!r}: {said}" if option else said
