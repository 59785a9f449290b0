"""A judge that reads how much likelier a second language model finds Yes than No as the answer to the concept's question.

Torch-free: the model comes as a function, such as `partial(answer_logodds, model)` from the model room. Not here: the wording
(`_rubric.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from asteer_core.errors import DataError
from asteer_core.judges._calibration import platt
from asteer_core.judges._registry import JUDGES
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._verdicts import Verdicts, probabilities

YES = ("Yes", "yes", " Yes", " yes")
NO = ("No", "no", " No", " no")


class AnswerLogOdds(Protocol):
    """ln P(one of `yes`) - ln P(one of `no`) after each prompt, float64 [prompt]; NaN where a prompt does not fit the model."""

    def __call__(self, prompts: Sequence[str], yes: Sequence[str], no: Sequence[str], /) -> np.ndarray: ...


@JUDGES.register("logodds")
@dataclass(frozen=True)
class LogOddsJudge:
    """P(violation) = sigmoid(slope * log-odds + intercept); a raw judge has slope 1 and intercept 0, a calibrated one is fitted.

    Attributes:
        rubric: the concept in words.
        answer: the second model.
        slope, intercept: of the calibration.
    """

    rubric: Rubric
    answer: AnswerLogOdds
    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, texts: Sequence[str], embeddings: np.ndarray | None = None, prompts: Sequence[str] | None = None) -> np.ndarray:
        """Return P(violation), float64 [text], NaN = no verdict. `embeddings` are not used."""
        return self.judge(texts, prompts).success

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Verdicts:
        """Return the verdicts on responses to `prompts` (None: no prompts); a null is a question that does not fit the model."""
        from scipy.special import expit

        odds = self.log_odds(texts, prompts)
        reasons = [None if known else "does not fit the judge model's context" for known in np.isfinite(odds)]
        return probabilities(expit(self.slope * odds + self.intercept), reasons)

    def log_odds(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> np.ndarray:
        """Return the log-odds of Yes (natural logarithm), float64 [text], NaN where the question does not fit the model.

        Raises:
            DataError: prompts and texts differ in number, or the model's function returns another number of values.
        """
        if prompts is not None and len(prompts) != len(texts):
            raise DataError(f"judge 'logodds': {len(prompts)} prompts for {len(texts)} responses; expected one prompt per response")
        questions = [self.rubric.yes_no(prompt, text) for prompt, text in zip(prompts or [""] * len(texts), texts, strict=True)]
        odds = np.asarray(self.answer(questions, YES, NO), dtype=np.float64)
        if odds.shape != (len(texts),):
            raise DataError(f"judge 'logodds': the model gave values of shape {odds.shape} for {len(texts)} questions; expected one each")
        return np.where(np.isfinite(odds), odds, np.nan)

    def calibrated(self, texts: Sequence[str], labels: Sequence[int], prompts: Sequence[str] | None = None) -> Self:
        """Return a judge whose slope and intercept fit labelled responses (Platt scaling; labels 0 or 1).

        Raises:
            DataError: after nulls are dropped, a class has fewer than five responses, or more Yes means less violation.
        """
        odds, truth = self.log_odds(texts, prompts), np.asarray(labels)
        if len(truth) != len(odds) or not np.isin(truth, (0, 1)).all():
            raise DataError(f"judge 'logodds': {len(truth)} labels for {len(odds)} responses; expected one label per response, 0 or 1")
        known = np.isfinite(odds)
        counts = [int((truth[known] == side).sum()) for side in (0, 1)]
        if min(counts) < 5:
            raise DataError(f"judge 'logodds': {counts[0]} compliant and {counts[1]} violating verdicts; calibration needs 5 of each")
        slope, intercept = platt(odds[known], truth[known])
        if slope <= 0:
            raise DataError(
                f"judge 'logodds': the model says Yes more often where the label is 0 (slope {slope:.3g}); it does not understand the "
                "question: choose a larger model or another judge"
            )
        return replace(self, slope=slope, intercept=intercept)
