"""Configurations between those of the grid, proposed by Optuna's tree-structured Parzen estimator; the extra `optuna` brings it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from asteer_core.errors import ConfigError
from asteer_core.types import Configuration

DIGITS = 3
"""Strengths are rounded, so that a key names exactly what was run."""


def propose(keys: Sequence[str], count: int, score: Callable[[str], float | None], seed: int) -> list[str]:
    """Return `count` distinct configuration keys in the order of proposal; each is scored before the next is proposed.

    Method and layer are those of the grid; the strength lies between the weakest and the strongest of its method in the grid.

    Args:
        keys: the grid.
        score: key -> value to maximise; None counts as the worst.

    Raises:
        ConfigError: Optuna is not installed.
    """
    grid = [Configuration.parse("any", key) for key in keys]
    try:
        import optuna
    except ImportError:
        raise ConfigError("sampler 'tpe' needs Optuna: pip install 'asteer[optuna]', or use --sampler grid") from None
    if any(one.strength is None or one.layer is None for one in grid):
        raise ConfigError("sampler 'tpe' searches between plain strengths at plain layers; the study leaves some to KL targets or `auto`")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    places = {f"{one.method}:{one.layer}": (one.method, one.layer) for one in grid}
    spans = {name: _span(grid, name) for name in dict.fromkeys(one.method for one in grid)}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(4, count // 4)))
    found: dict[str, None] = {}
    # A proposal may repeat an earlier one where the dial is short; the bound keeps a dial of one point from asking for ever.
    for _ in range(20 * count):
        if len(found) == count:
            break
        trial = study.ask()
        method, layer = places[trial.suggest_categorical("place", list(places))]
        low, high = spans[method]
        strength = round(trial.suggest_float(f"strength of {method}", low, high), DIGITS)
        key = Configuration("any", grid[0].model, method, layer, strength).key
        value: Any = score(key)
        found[key] = None
        study.tell(trial, -1.0 if value is None or math.isnan(value) else value)
    return list(found)


def _span(grid: Sequence[Configuration], method: str) -> tuple[float, float]:
    strengths = [float(one.strength or 0) for one in grid if one.method == method]
    return min(strengths), max(strengths)
