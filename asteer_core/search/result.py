"""What a search is asked and what it found. Nothing is run here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from asteer_core.choosing import Budget, Halving, Rung, StopRule, objective
from asteer_core.choosing.objectives import PREDICTED, WITH_COHERENCE
from asteer_core.errors import ConfigError
from asteer_core.search.continuous import check_span
from asteer_core.search.trials import Trials
from asteer_core.study import Workspace
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

SAMPLERS = ("grid", "tpe")
SUFFIX = ".search"
"""What is added to the name of a study for the store of its trials."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search.

    Attributes:
        budget: responses that configurations may answer with, wherever they come from. What the search rests on comes on top: reference
            corpora, and what the fitting of vectors generates.
        objective: what is maximised; a name of `choosing.OBJECTIVES`, or `predicted`.
        prompts: prompts of each rung; None = as many as the budget carries, growing fourfold.
        largest: prompts of the last rung; None = all of the study's.
        early_stop: stop a configuration by its first tokens; None = exactly where the objective holds coherence. Elsewhere text that
            is broken may still be the best training data.
        stop: when that is.
        sampler: `grid` takes the study's configurations, `tpe` proposes strengths between the grid's (needs the extra `optuna`).
        seed: order of the prompts, and what the sampler draws.
        temperature: lowest and highest temperature that `tpe` proposes; None = the study's alone.
        top_p: lowest and highest nucleus, likewise.
        trials: configurations that `tpe` proposes; None = as many as the grid has.
    """

    budget: Budget
    objective: str = "hm"
    prompts: tuple[int, ...] | None = None
    largest: int | None = None
    early_stop: bool | None = None
    stop: StopRule = field(default_factory=StopRule)
    sampler: str = "grid"
    seed: int = 0
    temperature: tuple[float, ...] | None = None
    top_p: tuple[float, ...] | None = None
    trials: int | None = None

    def __post_init__(self) -> None:
        if self.objective != PREDICTED:
            objective(self.objective)
        if self.sampler not in SAMPLERS:
            raise ConfigError(f"sampler {self.sampler!r}: expected one of {', '.join(SAMPLERS)}")
        if self.trials is not None and self.trials < 1:
            raise ConfigError(f"search of {self.trials} trials: expected at least 1")
        continuous = {"temperature": self.temperature, "top_p": self.top_p, "trials": self.trials}
        asked = [name for name, value in continuous.items() if value is not None]
        if asked and self.sampler != "tpe":
            raise ConfigError(f"{' and '.join(asked)}: a grid has samplings and a number of its own; add --sampler tpe to search between")
        _ = self.spans

    @property
    def spans(self) -> dict[str, tuple[float, float]]:
        """The parts of the sampling that are searched, each with its lowest and highest value."""
        asked = {"temperature": self.temperature, "top_p": self.top_p}
        return {name: check_span(name, span) for name, span in asked.items() if span is not None}

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
    def probes(self) -> int:
        """Prompts that a configuration had answered when it was stopped."""
        return min(self.settings.stop.probes, self.rungs[0].prompts)

    @property
    def ranked(self) -> list[str]:
        """Every configuration tried, the longest-lived and best first; stopped ones last."""
        last: dict[str, tuple[int, int]] = {}
        for trial in self.halving.trials:
            last[trial.candidate] = (-trial.rung, trial.place)
        return [*sorted(last, key=lambda key: last[key]), *self.stopped]


def winner(trials: pl.DataFrame) -> dict[str, Any]:
    """Return the row of a table of trials in which its search ended: the best of the last rung.

    Its `fresh_n` is 0 where others answered as many prompts: then every response had a part in the choice.
    """
    best = trials.filter(pl.col("kept")).row(-1, named=True)
    if trials.filter((pl.col("rung") == best["rung"]) & pl.col("stopped").is_null()).height > 1:
        best |= {"fresh_n": 0, "fresh_success": None, "fresh_coherence": None}
    return best


def trial_store(ws: Workspace) -> Store:
    """Return where the trials over a study live: a study of its own beside it, so that its partial corpora never pass for full ones."""
    return Store(studies(ws.home) / f"{ws.study.name}{SUFFIX}")
