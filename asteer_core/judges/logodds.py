"""A judge that reads how much likelier a second language model finds Yes than No as the answer to the concept's question.

Torch-free: the model comes as a function, such as `partial(answer_logodds, model)` from the model room. Not here: the wording
(`_rubric.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import Field

from asteer_core.errors import DataError
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._verdicts import Verdicts, probabilities
from asteer_core.judges.asked import AskedKind
from asteer_core.judges.protocol import JUDGES, Tools

YES = ("Yes", "yes", " Yes", " yes")
NO = ("No", "no", " No", " no")


class AnswerLogOdds(Protocol):
    """ln P(one of `yes`) - ln P(one of `no`) after each prompt, float64 [prompt]; NaN where a prompt does not fit the model."""

    def __call__(self, prompts: Sequence[str], yes: Sequence[str], no: Sequence[str], /) -> np.ndarray: ...


@dataclass(frozen=True)
class LogOddsJudge:
    """P(violation) = sigmoid(log-odds of Yes), not calibrated.

    Attributes:
        rubric: the concept in words.
        answer: the second model.
    """

    rubric: Rubric
    answer: AnswerLogOdds

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Verdicts:
        """Return the verdicts on responses to `prompts` (None: no prompts); a null is a question that does not fit the model."""
        from scipy.special import expit

        odds = self.log_odds(texts, prompts)
        reasons = [None if known else "does not fit the judge model's context" for known in np.isfinite(odds)]
        return probabilities(expit(odds), reasons)

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


@JUDGES.register("logodds")
class LogOddsKind(AskedKind):
    """A second language model of `models.yaml` is asked whether the reply shows the concept; how much likelier Yes is than No counts.

    `model`: its name; not a model that is steered, and one that follows instructions. `calibration`, `labelled`: as every asked judge.
    """

    loads_model = True

    model: Annotated[str, Field(min_length=1)]

    def ask(self, rubric: Rubric, tools: Tools) -> LogOddsJudge:
        """Return the judge with the model behind it."""
        return LogOddsJudge(rubric, tools.answer(self.model))

    def asks(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return the model's weights, the wording and the answers that count."""
        return [tools.model_identity(self.model), rubric.version, YES, NO]

    def language_model(self) -> str:
        """Return the name of the model."""
        return self.model

    def shown(self) -> dict[str, Any]:
        """Return the model's name."""
        return {"judge_model": self.model}
