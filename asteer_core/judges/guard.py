"""A judge that is somebody else's safety classifier: the probabilities of its violating labels, added up or the largest.

Torch-free: the classifier comes as an object, such as `load_classifier(...)` of the model room. Not here: loading or running it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from asteer_core.errors import ConfigError, DataError, unknown_name
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._verdicts import Verdicts, probabilities
from asteer_core.judges.asked import AskedKind
from asteer_core.judges.protocol import JUDGES, Tools

Reads = Literal["response", "pair"]
"""Whether the classifier reads the response alone, or prompt and response as a text pair."""


class Classifier(Protocol):
    """A sequence classifier: its labels in order, and whether several may hold at once."""

    name: str
    labels: tuple[str, ...]
    multi_label: bool

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Return P(label), float64 [text, label]."""
        ...


class GuardJudge:
    """P(violation) from a classifier's labels: their sum where labels exclude each other, the largest where several may hold.

    Args:
        classifier: the model.
        violating: the labels that mean violation.
        reads: see `Reads`.

    Raises:
        ConfigError: no violating label, an unknown one, or all labels of labels that exclude each other.
    """

    def __init__(self, classifier: Classifier, violating: Sequence[str], reads: Reads = "response") -> None:
        _check_known(violating, classifier.labels, classifier.name)
        whole = not classifier.multi_label and len(classifier.labels) > 1 and set(violating) == set(classifier.labels)
        if not violating or whole:
            raise ConfigError(
                f"judge 'guard', classifier {classifier.name!r}: violating labels {list(violating)} tell nothing apart; "
                f"name some, not all, of {', '.join(classifier.labels)}"
            )
        if reads not in ("response", "pair"):
            raise ConfigError(f"judge 'guard': reads={reads!r}; expected response or pair")
        self.classifier, self.violating, self.reads = classifier, tuple(violating), reads
        self._columns = [classifier.labels.index(label) for label in dict.fromkeys(violating)]

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Verdicts:
        """Return the verdicts; a null is an empty response or one that the classifier has no finite answer to.

        Raises:
            DataError: the classifier reads pairs and prompts are missing, or differ in number from the texts.
        """
        if prompts is not None and len(prompts) != len(texts):
            raise DataError(f"judge 'guard': {len(prompts)} prompts for {len(texts)} responses; expected one prompt per response")
        if self.reads == "pair" and prompts is None:
            raise DataError("judge 'guard' with reads: pair needs the prompts; pass them, or set reads: response")
        success, reasons = np.full(len(texts), np.nan), ["empty response" if not text.strip() else None for text in texts]
        rows = [row for row, reason in enumerate(reasons) if reason is None]
        if rows:
            success[rows] = self._read([texts[row] for row in rows], None if prompts is None else [prompts[row] for row in rows])
        for row in rows:
            if not np.isfinite(success[row]):
                success[row], reasons[row] = np.nan, "classifier gave no finite probability"
        return probabilities(success, reasons)

    def _read(self, texts: list[str], prompts: list[str] | None) -> np.ndarray:
        table = self.classifier.probabilities(prompts, texts) if self.reads == "pair" and prompts else self.classifier.probabilities(texts)
        chosen = np.asarray(table, dtype=np.float64)[:, self._columns]
        return chosen.max(axis=1) if self.classifier.multi_label else np.minimum(chosen.sum(axis=1), 1.0)


def _check_known(violating: Sequence[str], labels: Sequence[str], classifier: str) -> None:
    for label in violating:
        if label not in labels:
            raise unknown_name(f"label of classifier {classifier!r}:", label, labels)


@JUDGES.register("guard")
class GuardKind(AskedKind):
    """Somebody's sequence classifier, such as a safety model, from a folder or the hub.

    `source`: a folder or a hub id. `violating`: its labels that mean violation, as in its config.json. `reads`: `response`, or `pair`
    for a classifier of prompt and response. `revision`: a commit of the hub. `trust_remote_code`: run code of the source; off by default,
    and recorded. `calibration`, `labelled`: as every asked judge.
    """

    loads_model = True

    source: Annotated[str, Field(min_length=1)]
    violating: Annotated[tuple[str, ...], Field(min_length=1)]
    reads: Reads = "response"
    revision: str | None = None
    trust_remote_code: bool = False

    def ask(self, rubric: Rubric, tools: Tools) -> GuardJudge:
        """Return the judge with the classifier behind it."""
        return GuardJudge(tools.classifier(self.source, self.revision, self.trust_remote_code), self.violating, self.reads)

    def asks(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return the classifier's weights, what it reads and the labels that count."""
        weights = tools.classifier_identity(self.source, self.revision, self.trust_remote_code)
        return [weights, sorted(set(self.violating)), self.reads, self.trust_remote_code]

    def check(self, tools: Tools) -> None:
        """Raise an `AsteerError` where there is no such classifier, or its folder says that it has no such label."""
        tools.classifier_identity(self.source, self.revision, self.trust_remote_code)
        labels = tools.classifier_labels(self.source)
        if labels is not None:
            _check_known(self.violating, labels, self.source)

    def shown(self) -> dict[str, Any]:
        """Return where the classifier is from, and whether its code was run."""
        return {"judge_model": self.source, "trust_remote_code": self.trust_remote_code}
