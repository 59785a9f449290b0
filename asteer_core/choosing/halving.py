"""Successive halving: all candidates on few prompts, the best on more, one on all. Scores are compared within a rung only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asteer_core.choosing.schedule import Rung
from asteer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate at one rung: its score there (None: undefined), its place among the rung (1 = best), and whether it went on."""

    candidate: str
    rung: int
    prompts: int
    score: float | None
    place: int
    kept: bool


@dataclass(frozen=True, slots=True)
class Halving:
    """All trials, in the order in which they were made, and the candidates of the last rung, best first."""

    trials: tuple[Trial, ...]
    survivors: tuple[str, ...]

    @property
    def best(self) -> str:
        """The candidate that won the last rung."""
        return self.survivors[0]


def halve(candidates: Sequence[str], rungs: Sequence[Rung], evaluate: Callable[[list[str], Rung], dict[str, float | None]]) -> Halving:
    """Return the course of successive halving.

    Args:
        candidates: names; on equal scores the earlier one is better.
        rungs: from `schedule`; each takes as many of the best of the rung before.
        evaluate: (candidates, rung) -> score of each, higher is better; a candidate that is missing there was stopped and goes no
            further; one without a score (None) ranks last.

    Raises:
        DataError: a rung ended with no candidate left.

    Source: Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943.
    """
    alive, trials = list(candidates), []
    for number, rung in enumerate(rungs):
        chosen = alive[: rung.configurations]
        scores = evaluate(chosen, rung)
        alive = sorted((name for name in chosen if name in scores), key=lambda name: _descending(scores[name]))
        if not alive:
            raise DataError(
                f"search: none of {len(chosen)} configurations was left after rung {number + 1} ({rung.prompts} prompts); "
                "all were stopped early: use weaker strengths, or --no-early-stop"
            )
        going = rungs[number + 1].configurations if number + 1 < len(rungs) else 1
        trials += [Trial(name, number, rung.prompts, scores[name], place, place <= going) for place, name in enumerate(alive, 1)]
    return Halving(tuple(trials), tuple(alive))


def _descending(score: float | None) -> float:
    return math.inf if score is None or math.isnan(score) else -score
