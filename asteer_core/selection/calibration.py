"""Iso-KL calibration: the strengths at which a push moves the model by given numbers of nats per token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Measure = Callable[[Sequence[float]], Sequence[float]]
"""Strengths -> the KL divergence that each causes; called with several at once, because they can share the unsteered pass."""

RUNGS = 9
"""Strengths that may be looked at first, each twice the one before, up to the end of the dial."""
FIRST = slice(3, 6)
"""Rungs looked at before any other; further ones only where a target is not between these."""
ROUNDS = 16
"""Halvings of a bracket after the first look: more than a tolerance of a per mille needs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One strength that was tried and the KL divergence (nats per token) it caused."""

    strength: float
    kl: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a search for one target found: the strength and its KL, or None twice and the reason; and everything tried for it."""

    target: float
    strength: float | None
    kl: float | None
    reason: str | None
    trials: tuple[Trial, ...]


def calibrate(measure: Measure, targets: Sequence[float], largest: float, tolerance: float = 0.05) -> list[Calibrated]:
    """Return one result per target: the least strength, 0 to `largest`, whose KL is within `tolerance` (a share) of it.

    A ladder of strengths, each twice the one before, is climbed from its middle until it brackets every target; the brackets are then
    narrowed together, by interpolation on the logarithms (KL grows about as the square of a small push) and by halving where that
    stalls. Of several crossings the one at the least strength that was looked at counts.

    Args:
        measure: strengths -> KL divergences; not finite counts as too far.
        targets: nats per token, above 0.
        largest: the end of the method's dial.
        tolerance: largest relative distance from a target.
    """
    looked = _look(measure, largest, targets)
    searches = [_Search(target, looked, tolerance) for target in targets]
    for number in range(ROUNDS):
        open_ = [search for search in searches if search.is_open]
        if not open_:
            break
        proposed = [search.propose(halve=number % 3 == 2) for search in open_]
        for search, strength, kl in zip(open_, proposed, measure(proposed), strict=True):
            search.take(Trial(strength, kl))
    return [search.result() for search in searches]


def _look(measure: Measure, largest: float, targets: Sequence[float]) -> list[Trial]:
    """Return trials along the ladder, by strength, that bracket every target where the ladder reaches it."""
    ladder = [largest / 2 ** (RUNGS - 1 - rung) for rung in range(RUNGS)]
    first, last = FIRST.start, FIRST.stop
    found = _tried(measure, ladder[FIRST])
    while last < RUNGS and found[-1].kl < max(targets):
        found += _tried(measure, ladder[last : last + 2])
        last += 2
    while first > 0 and not found[0].kl < min(targets):
        found = _tried(measure, ladder[max(0, first - 2) : first]) + found
        first -= 2
    return found


def _tried(measure: Measure, strengths: Sequence[float]) -> list[Trial]:
    return [Trial(strength, kl) for strength, kl in zip(strengths, measure(strengths), strict=True)]


class _Search:
    """The bracket of one target: `low` is below it, `high` at or above it."""

    def __init__(self, target: float, looked: Sequence[Trial], tolerance: float) -> None:
        self.target, self.tolerance, self.trials = target, tolerance, list(looked)
        crossing = next((number for number, trial in enumerate(looked) if not trial.kl < target), None)
        self.high = None if crossing is None else looked[crossing]
        self.low = looked[crossing - 1] if crossing else Trial(0.0, 0.0)

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: self._distance(trial))

    @property
    def is_open(self) -> bool:
        return self.high is not None and self._distance(self.best) > self.tolerance

    def _distance(self, trial: Trial) -> float:
        return abs(trial.kl - self.target) / self.target if math.isfinite(trial.kl) else math.inf

    def propose(self, halve: bool) -> float:
        low, high = self.low, self.high or self.low
        if low.strength == 0 and math.isfinite(high.kl):
            # No rung lies below the target. Far enough down that even a KL growing as slowly as a square root comes below it.
            return high.strength * (self.target / high.kl) ** 2 if high.kl > self.target else high.strength / 2
        if halve or not (low.kl > 0 and math.isfinite(high.kl) and high.kl > low.kl):
            return (low.strength + high.strength) / 2
        share = math.log(self.target / low.kl) / math.log(high.kl / low.kl)
        # Kept off the ends, where a flat stretch would let the bracket stand still.
        return low.strength * (high.strength / low.strength) ** min(0.95, max(0.05, share))

    def take(self, trial: Trial) -> None:
        self.trials.append(trial)
        if trial.kl < self.target:
            self.low = trial
        else:
            self.high = trial

    def result(self) -> Calibrated:
        best, reason = self.best, None
        if self.high is None:
            most = max(self.trials, key=lambda trial: trial.kl)
            reason = (
                f"a KL of {self.target:g} nats per token is out of reach: the largest is {most.kl:.3g}, at strength {most.strength:.3g}, "
                f"and the dial ends at {self.trials[-1].strength:g}"
            )
        elif self._distance(best) > self.tolerance:
            reason = (
                f"no strength gives a KL of {self.target:g} nats per token within {self.tolerance:.0%}: it jumps from {self.low.kl:.3g} "
                f"at {self.low.strength:.4g} to {self.high.kl:.3g} at {self.high.strength:.4g}"
            )
        if reason:
            return Calibrated(self.target, None, None, reason, tuple(self.trials))
        return Calibrated(self.target, best.strength, best.kl, None, tuple(self.trials))
