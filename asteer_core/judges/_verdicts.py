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

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest mean success if every null were 0 or 1; None without any response."""
        if not len(self.success):
            return None
        known, nulls = float(np.nansum(self.success)), int(np.isnan(self.success).sum())
        return known / len(self.success), (known + nulls) / len(self.success)

    def counts_by(self, configurations: list[str]) -> dict[str, dict[str, int]]:
        """Return the null counts of each configuration, given the configuration of every response."""
        table: dict[str, Counter[str]] = {name: Counter() for name in configurations}
        for name, reason in zip(configurations, self.reasons, strict=True):
            if reason is not None:
                table[name][reason] += 1
        return {name: dict(counts) for name, counts in table.items()}


def halved(grade: int) -> float:
    """Return a grade as a number from 0 to 1."""
    return grade / TOP


def probabilities(values: np.ndarray, reasons: list[str | None]) -> Verdicts:
    """Return verdicts of a judge that grades success only."""
    success = np.asarray(values, dtype=np.float64)
    return Verdicts(success, np.full(len(success), np.nan), tuple(reasons))
