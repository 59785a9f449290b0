"""What judges have in common that are asked rather than trained: labelled responses calibrate them and say how good they are.

Not here: any of them (one file each), the curves (`_scale.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from asteer_core.errors import DataError
from asteer_core.judges._budget import DryRun
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._scale import Calibration, Scale, load_scale, out_of_fold, quality
from asteer_core.judges._verdicts import Verdicts
from asteer_core.judges.protocol import JudgeKind, Labelled, Tools


class Asked(Protocol):
    """What answers: a model, a classifier, an endpoint."""

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Verdicts:
        """Return the verdicts on responses to `prompts`, success not calibrated."""
        ...


@dataclass(frozen=True, eq=False)
class AskedJudge:
    """A judge that asks, and calibrates what it is told.

    Attributes:
        asked: what answers.
        scale: from its success to a calibrated one.
        report: figures on labelled rows: n (verdicts), n_null, n_positive, and, where both labels have verdicts, auroc, brier, ece and
            mean_<kind>, all of them out of fold.
    """

    asked: Asked
    scale: Scale
    report: dict[str, Any]

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None, embeddings: np.ndarray | None = None) -> Verdicts:
        """Return the verdicts, success calibrated. `embeddings` are not used."""
        found = self.asked.judge(texts, prompts)
        return replace(found, success=self.scale.apply(found.success))

    def save(self, path: Path) -> None:
        """Write calibration and report; what answers is found by the study's options."""
        self.scale.save(path, self.report)


class AskedKind(JudgeKind):
    """Options of every judge that is asked.

    `calibration`: how success becomes a probability, with the concept's judge rows: `platt`, `isotonic` or `none`. `labelled`: how many
    of these rows are asked about, half of them violating; null = all, 0 = none (then nothing is known of the judge's quality).
    """

    calibration: Calibration = "platt"
    labelled: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _has_rows_to_calibrate(self) -> Self:
        if self.calibration != "none" and self.labelled is not None and self.labelled < 20:
            raise ValueError("calibration needs 20 labelled rows and more; raise `labelled`, or set calibration: none")
        return self

    @abstractmethod
    def ask(self, rubric: Rubric, tools: Tools) -> Asked:
        """Return what answers."""

    @abstractmethod
    def asks(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return, as JSON, all that an answer depends on: options, weights, wording."""

    def shown(self) -> dict[str, Any]:
        """Return what the table of judges says of the model besides the figures."""
        return {}

    def identity(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return what answers and calibration depend on."""
        return [self.calibration, self.labelled, *self.asks(rubric, tools)]

    def fit(self, rubric: Rubric, rows: Labelled, tools: Tools, rng: np.random.Generator) -> AskedJudge:
        """Ask about labelled rows, fit the calibration to the verdicts and report on them out of fold.

        Raises:
            DataError: no verdict at all, too few to calibrate with, or verdicts that say nothing about the labels.
        """
        asked, who = self.ask(rubric, tools), f"judge of {rubric.title!r}"
        chosen = self._chosen(rows, rng)
        if not len(chosen.texts):
            return AskedJudge(asked, Scale(), {"n": 0, "n_null": 0, "n_positive": 0, **self.shown()})
        verdicts = asked.judge(chosen.texts, chosen.prompts)
        success, known = verdicts.success, np.isfinite(verdicts.success)
        _has_verdicts(verdicts, who)
        probability, labels, groups = success[known], chosen.labels[known].astype(int), chosen.groups[known]
        report: dict[str, Any] = {"n": int(known.sum()), "n_null": int((~known).sum()), "n_positive": int(labels.sum()), **self.shown()}
        scale = Scale.fit(probability, labels, self.calibration, who)
        calibrated = out_of_fold(probability, labels, groups, self.calibration, rng, who)
        kinds = np.array(chosen.kinds)[known]
        report |= quality(probability, calibrated, labels)
        report |= {f"mean_{kind}": float(calibrated[kinds == kind].mean()) for kind in np.unique(kinds).tolist()}
        return AskedJudge(asked, scale, report)

    def costs(
        self, rubric: Rubric, rows: Labelled | None, texts: Sequence[str], prompts: Sequence[str], tools: Tools, rng: np.random.Generator
    ) -> DryRun | None:
        """Return what fitting to `rows` (None: it is fitted) and judging these responses takes; None where asking costs nothing."""
        plan = getattr(self.ask(rubric, tools), "dry_run", None)
        if plan is None:
            return None
        chosen = None if rows is None else self._chosen(rows, rng)
        also = ([], []) if chosen is None else (chosen.texts, chosen.prompts)
        return plan([*also[0], *texts], [*also[1], *prompts])

    def tried_on(self, rows: int) -> int:
        """Return how many of so many labelled rows are asked about."""
        return rows if self.labelled is None else min(rows, self.labelled)

    def _chosen(self, rows: Labelled, rng: np.random.Generator) -> Labelled:
        return rows if self.labelled is None else rows.take(_balanced(rows.labels, self.labelled, rng))

    def load(self, path: Path, rubric: Rubric, tools: Tools) -> AskedJudge:
        """Return the judge with the calibration in a file."""
        return AskedJudge(self.ask(rubric, tools), *load_scale(path))


def _has_verdicts(verdicts: Verdicts, who: str) -> None:
    """Raise where no response has a verdict: corpora would be asked about for nothing."""
    if np.isfinite(verdicts.success).any():
        return
    why = ", ".join(f"{reason} ({count})" for reason, count in verdicts.null_counts.items())
    raise DataError(f"{who}: no verdict on any of {len(verdicts.success)} labelled rows: {why}; choose another model, or another judge")


def _balanced(labels: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Return the places of `number` rows, half of each label as far as there are any, in their order; all where there are no more."""
    sides = [rng.permutation(np.flatnonzero(labels == label)) for label in (1, 0)]
    half = number // 2
    first = sides[0][: max(half, number - len(sides[1]))]
    return np.sort(np.concatenate([first, sides[1][: number - len(first)]]))
