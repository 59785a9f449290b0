"""Stopping a configuration at its first tokens: text that no language model would write, or that repeats itself, will not recover.

What is judged are the first tokens of the first few responses; not here: measuring them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asteer_core.metrics.reference import MAD_TO_SIGMA


@dataclass(frozen=True, slots=True)
class StopRule:
    """When to stop. `tokens`: how many first tokens are judged. `probes`: responses they are taken from.

    `deviations`: robust standard deviations above the reference's median NLL. `repetition`: mean share of repeated 4-grams. With either
    exceeded by the median (NLL) or mean (repetition) of the probes, coherence is 0 to two digits.
    """

    tokens: int = 32
    probes: int = 4
    deviations: float = 12.0
    repetition: float = 0.7


def stopped(nll: np.ndarray, repetition: np.ndarray, reference: np.ndarray, rule: StopRule) -> str | None:
    """Return why a configuration is stopped, or None where it goes on.

    Args:
        nll: mean NLL of the first tokens of each probe, nats [probe]; NaN where undefined.
        repetition: share of repeated 4-grams in them, [probe].
        reference: the same NLL for unsteered and prompted responses, [response].
    """
    known, calm = nll[np.isfinite(nll)], reference[np.isfinite(reference)]
    if len(known) and len(calm) > 1:
        median = float(np.median(calm))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(calm - median)))
        excess = (float(np.median(known)) - median) / spread if spread > 0 else 0.0
        if excess > rule.deviations:
            return f"first {rule.tokens} tokens {excess:.0f} deviations less likely than unsteered text (limit {rule.deviations:g})"
    share = float(np.mean(repetition)) if len(repetition) else 0.0
    if share > rule.repetition:
        return f"{share:.0%} of the 4-grams of the first {rule.tokens} tokens repeat (limit {rule.repetition:.0%})"
    return None
