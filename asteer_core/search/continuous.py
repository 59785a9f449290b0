"""Configurations between those of the grid, proposed by Optuna's tree-structured Parzen estimator; the extra `optuna` brings it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asteer_core.errors import ConfigError
from asteer_core.types import Configuration

DIGITS = 3
"""What is drawn is rounded, so that a key names exactly what was run."""

LIMITS = {"temperature": (0.05, 5.0), "top_p": (0.05, 1.0)}
"""Samplings that may be searched: below them a model repeats its likeliest text, above them it draws at random."""

Span = tuple[float, float]


def check_span(name: str, span: Sequence[float]) -> Span:
    """Return the lowest and highest value between which a sampling is searched.

    Raises:
        ConfigError: other than two numbers, the second below the first, or outside `LIMITS`.
    """
    least, most = LIMITS[name]
    if len(span) != 2 or not least <= span[0] <= span[1] <= most:
        shown = ",".join(f"{value:g}" for value in span)
        raise ConfigError(f"search of {name} in {shown!r}: expected the lowest and the highest value, from {least:g} to {most:g}, by comma")
    return float(span[0]), float(span[1])


def searchable(keys: Sequence[str]) -> list[Configuration]:
    """Return the configurations of a grid between which one can search.

    Raises:
        ConfigError: Optuna is not installed, or the grid leaves layers or strengths to be found.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("sampler 'tpe' needs Optuna: pip install 'asteer[optuna]', or use --sampler grid")
    grid = [Configuration.parse("any", key) for key in keys]
    if any(one.layer_rank is not None or one.kl_target is not None for one in grid):
        raise ConfigError("sampler 'tpe' searches between plain strengths at plain layers; the study leaves some to KL targets or `auto`")
    return grid


def propose(
    keys: Sequence[str], count: int, score: Callable[[str], float | None], seed: int, spans: Mapping[str, Span] | None = None
) -> list[str]:
    """Return up to `count` distinct configuration keys in the order of proposal; each is scored before the next is proposed.

    Method and layer are those of the grid; the strength lies between the weakest and the strongest of its method in the grid.

    Args:
        keys: the grid.
        score: key -> value to maximise; None counts as the worst.
        seed: what is drawn; the same seed and scores give the same proposals.
        spans: `temperature` and `top_p`, where they are searched too.

    Raises:
        ConfigError: as `searchable`.
    """
    grid = searchable(keys)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    places = {f"{one.method}:{one.layer}": one for one in grid}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(4, count // 4)))
    found: dict[str, None] = {}
    # A proposal may repeat an earlier one where the dial is short; the bound keeps a dial of one point from asking for ever.
    for _ in range(20 * count):
        if len(found) == count:
            break
        trial = study.ask()
        place = places[trial.suggest_categorical("place", list(places))]
        strength = None if place.strength is None else _drawn(trial, f"strength of {place.method}", _span(grid, place.method))
        drawn = {name: _drawn(trial, name, span) for name, span in (spans or {}).items()}
        key = replace(place, strength=strength, temperature=drawn.get("temperature"), top_p=drawn.get("top_p")).key
        value = score(key)
        found[key] = None
        study.tell(trial, -1.0 if value is None or math.isnan(value) else value)
    return list(found)


def _drawn(trial: Any, name: str, span: Span) -> float:
    value = round(trial.suggest_float(name, *span), DIGITS)
    return min(max(value, span[0]), span[1])


def _span(grid: Sequence[Configuration], method: str) -> Span:
    strengths = [one.strength for one in grid if one.method == method and one.strength is not None]
    return min(strengths), max(strengths)
