"""What a detector kind is. Here: the protocol, the registry, the choice of a kind by name and options, checks shared by all kinds.

Not here: any kind itself (one file each), what kinds read (`text_sets.py`), evaluation, how training sets are composed (`arms.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from asteer_core.detectors.text_sets import TextSet
from asteer_core.errors import ConfigError, DataError, did_you_mean
from asteer_core.registry import Registry

MIN_TEXTS_PER_CLASS = 5
"""Fewest training texts of either class that a detector accepts."""

HELD_OUT = 0.15
"""Part of the training texts that a kind which chooses by validation sets aside where it is given no validation texts."""


@dataclass(frozen=True)
class Aids:
    """What may accompany a fit; every kind works without.

    Attributes:
        validation: labelled texts by which a kind chooses (when to stop, which block); never the test set.
        checkpoints: folder of this fit alone, in which a kind that trains for long leaves what it needs to go on after a kill.
        progress: called with steps done, steps in all, and a note.
    """

    validation: tuple[TextSet, np.ndarray] | None = None
    checkpoints: Path | None = None
    progress: Callable[[int, int, str], None] | None = None


@dataclass(frozen=True)
class Work:
    """How much one fit reads: texts to train on, to choose by, and to score afterwards, and the mean tokens of a text."""

    train: int
    validation: int
    scored: int
    tokens: float


@runtime_checkable
class Detector(Protocol):
    """A fitted detector."""

    def score(self, texts: TextSet) -> np.ndarray:
        """Return P(violation) per text, float64 [text], in [0, 1]."""
        ...

    def save(self, folder: Path) -> None:
        """Write what `Kind.load` needs into an existing folder, without pickle."""
        ...


class Kind(BaseModel, ABC):
    """One detector kind with its options, which are the fields of the class: `fit` gives a detector, `load` reads a saved one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: ClassVar[frozenset[str]] = frozenset()
    """What is read beside the texts: any of "embeddings", "prompts", "activations", and "ngrams", which sets count themselves."""

    trains_long: ClassVar[bool] = False
    """Whether a fit takes seconds rather than milliseconds, so that a study is priced by `operations`."""

    @abstractmethod
    def fit(self, train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids = Aids()) -> Detector:
        """Return a detector fitted to `labels` (0/1, [text])."""

    @abstractmethod
    def load(self, folder: Path) -> Detector:
        """Return the detector that `Detector.save` wrote; the folder is untrusted.

        Raises:
            StoreError: a file is missing, damaged or of another kind.
        """

    def reads(self) -> frozenset[str]:
        """Return what texts must carry, under these options."""
        return self.needs

    def language_model(self) -> str | None:
        """Return the name of the language model whose activations are read, if any."""
        return None

    def blocks(self, n_blocks: int) -> list[int]:
        """Return the blocks that are read in a language model of `n_blocks`, ascending."""
        return []

    def operations(self, work: Work) -> float | None:
        """Return the floating-point operations of a fit and its scores, or None where that cannot be told."""
        return None

    def check(self) -> None:
        """Raise an `AsteerError` where a look at the disk shows already that no fit can succeed; called before a study begins."""

    def identity(self) -> str:
        """Return what beyond the options decides the result, such as the hash of pretrained weights; part of content keys."""
        return ""


DETECTORS: Registry[type[Kind]] = Registry("detector", "asteer_core.detectors")
"""Detector kinds by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.detectors`."""


def choose_kind(name: str, options: Mapping[str, Any] | None = None) -> Kind:
    """Return the kind `name` with its options.

    Raises:
        ConfigError: no such kind, no such option (the nearest is suggested), or a wrong value.
    """
    chosen = DETECTORS.get(name)
    try:
        return chosen.model_validate(dict(options or {}))
    except ValidationError as error:
        raise ConfigError("; ".join(_fault(name, chosen, fault) for fault in error.errors())) from None


def _fault(name: str, kind: type[Kind], fault: Any) -> str:
    option = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] != "extra_forbidden":
        return f"detector {name!r}, option {option!r}: {fault['msg'].removeprefix('Value error, ')}; got {fault['input']!r}"
    known = list(kind.model_fields)
    return f"detector {name!r}: unknown option {option!r}.{did_you_mean(option, known)} Options: {', '.join(known) or '(none)'}."


def check_training(train: TextSet, labels: np.ndarray) -> np.ndarray:
    """Return the labels as float64 [text] once they can train a detector.

    Raises:
        DataError: labels and texts differ in number, a label is not 0 or 1, or a class has fewer than five texts.
    """
    labels = np.asarray(labels, dtype=float)
    if labels.shape != (len(train),):
        raise DataError(f"{train.place}: {labels.shape} labels for {len(train)} texts; expected one 0/1 label per text")
    wrong = np.flatnonzero(~np.isin(labels, (0.0, 1.0)))
    if wrong.size:
        raise DataError(f"{train.place}: label {labels[wrong[0]]} in row {wrong[0]}; detector labels are 0 (compliant) and 1 (violating)")
    for name, count in (("positive", int(labels.sum())), ("negative", int((labels == 0).sum()))):
        if count < MIN_TEXTS_PER_CLASS:
            raise DataError(
                f"{train.place}: {count} {name} training texts of {len(train)}; a detector needs at least "
                f"{MIN_TEXTS_PER_CLASS} of each class, so add {name} texts or drop this arm"
            )
    return labels


def validation_of(
    train: TextSet, labels: np.ndarray, rng: np.random.Generator, aids: Aids
) -> tuple[tuple[TextSet, np.ndarray], tuple[TextSet, np.ndarray]]:
    """Return (texts, labels) to train on and to choose by: the validation texts that were given, else a part of each training class."""
    if aids.validation is not None:
        texts, truth = aids.validation
        if len(np.unique(truth)) < 2:
            raise DataError(f"{texts.place}: validation texts of one class only; a kind that chooses by validation needs both")
        return (train, labels), (texts, np.asarray(truth, dtype=float))
    held = np.zeros(len(train), dtype=bool)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held[rows[: max(1, round(HELD_OUT * len(rows)))]] = True
    return (train.take(~held), labels[~held]), (train.take(held), labels[held])
