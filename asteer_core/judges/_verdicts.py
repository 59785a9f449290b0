"""What a judge that can fail returns: grades or probabilities, and for every null its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asteer_core.judges._rubric import TOP


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Verdicts on some responses, in their order.

    Attributes:
        success: float64 [text], probability of violation (a grade of 0, 1 or 2 halved), NaN where there is no verdict.
        coherence: float64 [text], 0 to 1, NaN where there is no verdict or the judge does not grade coherence.
        reasons: why there is no verdict, None where there is one.
    """

    success: np.ndarray
    coherence: np.ndarray
    reasons: tuple[str | None, ...]

    @cached_property
    def null_counts(self) -> dict[str, int]:
        """How many responses have no verdict, by reason."""
        return dict(Counter(reason for reason in self.reasons if reason is not None))


def halved(grade: int) -> float:
    """Return a grade as a number from 0 to 1."""
    return grade / TOP


def probabilities(values: np.ndarray, reasons: list[str | None]) -> Verdicts:
    """Return verdicts of a judge that grades success only."""
    success = np.asarray(values, dtype=np.float64)
    return Verdicts(success, np.full(len(success), np.nan), tuple(reasons))
