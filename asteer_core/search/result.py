"""What a search is asked and what it found. Nothing is run here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from asteer_core.choosing import Budget, Halving, Rung, StopRule, objective
from asteer_core.choosing.objectives import PREDICTED, WITH_COHERENCE
from asteer_core.errors import ConfigError
from asteer_core.search.trials import Trials
from asteer_core.study import Workspace
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

SAMPLERS = ("grid", "tpe")


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search.

    Attributes:
        budget: responses that may be generated for configurations; the reference corpora of the concept come on top.
        objective: what is maximised; a name of `choosing.OBJECTIVES`, or `predicted`.
        prompts: prompts of each rung; None = as many as the budget carries, growing fourfold.
        largest: prompts of the last rung; None = all of the study's.
        early_stop: stop a configuration by its first tokens; None = exactly where the objective holds coherence. Elsewhere text that
            is broken may still be the best training data.
        stop: when that is.
        sampler: `grid` takes the study's configurations, `tpe` proposes strengths between the grid's (needs the extra `optuna`).
        seed: order of the prompts, and what the sampler draws.
    """

    budget: Budget
    objective: str = "hm"
    prompts: tuple[int, ...] | None = None
    largest: int | None = None
    early_stop: bool | None = None
    stop: StopRule = field(default_factory=StopRule)
    sampler: str = "grid"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective != PREDICTED:
            objective(self.objective)
        if self.sampler not in SAMPLERS:
            raise ConfigError(f"sampler {self.sampler!r}: expected one of {', '.join(SAMPLERS)}")

    @property
    def stops_early(self) -> bool:
        """Whether configurations are stopped by their first tokens."""
        return self.objective in WITH_COHERENCE if self.early_stop is None else self.early_stop

    def as_list(self) -> list[Any]:
        """Return the settings in a form that `fingerprint` takes."""
        return [self.stops_early, *asdict(self).items()]


@dataclass(frozen=True)
class Search:
    """The course of one search: what was tried, in which rungs, what was stopped, and what it cost."""

    concept: str
    model: str
    settings: SearchSettings
    rungs: tuple[Rung, ...]
    halving: Halving
    trials: Trials
    table: pl.DataFrame
    spent: int
    grid: int
    stopped: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The key of the chosen configuration."""
        return self.halving.best

    @property
    def ranked(self) -> list[str]:
        """Every configuration tried, the longest-lived and best first; stopped ones last."""
        last: dict[str, tuple[int, int]] = {}
        for trial in self.halving.trials:
            last[trial.candidate] = (-trial.rung, trial.place)
        return [*sorted(last, key=lambda key: last[key]), *self.stopped]


def trial_store(ws: Workspace) -> Store:
    """Return where the trials over a study live: a study of its own beside it, so that its partial corpora never pass for full ones."""
    return Store(studies(ws.home) / f"{ws.study.name}.search")
