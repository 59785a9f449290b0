"""The study behind a search that names none: which methods, layers and strengths are tried for a concept and a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asteer_core.errors import ConfigError
from asteer_core.methods import METHODS as REGISTERED
from asteer_core.study import Study, parse_study
from asteer_core.study.judge_choice import JudgeChoice

NAME = "optimise"
METHODS = ("caa", "pca", "probe", "angular")
LAYERS = ("30%", "50%")
STRENGTHS = (0.2, 0.3, 0.4, 0.5, 0.65)
ANGLES = (0.25, 0.45, 0.65, 0.85)
"""Strengths of `angular`, whose dial is a share of the way to the concept's direction and so reaches further."""


def space(
    concept: str,
    model: str,
    prompts: int,
    *,
    methods: Sequence[str] = METHODS,
    layers: Sequence[int | str] = LAYERS,
    strengths: Sequence[float] | None = None,
    samples: int = 1,
    seed: int = 0,
    judge: JudgeChoice = JudgeChoice(),
    where: str = "asteer optimise",
) -> Study:
    """Return the study whose grid is searched.

    Args:
        prompts: prompts that the last rung answers.
        layers: blocks, or shares of the depth such as `50%`.
        strengths: None = those that reach from hardly visible to broken on most models; methods without a dial take none.
        judge: who says whether a reply violates.
        where: who asks, for errors.

    Raises:
        ConfigError: a value is out of range; the message names the option.
    """
    if prompts * samples < 4:
        raise ConfigError(f"search over {prompts} prompts: at least 4 responses per configuration are needed")
    grid: list[dict[str, Any]] = [{"method": method, "layers": list(layers)} for method in methods]
    for entry in grid:
        if REGISTERED.get(entry["method"]).has_dial:
            entry["strengths"] = list(strengths or (ANGLES if entry["method"] == "angular" else STRENGTHS))
    value: dict[str, Any] = {
        "name": NAME,
        "description": f"Search space of {concept} on {model}.",
        "concepts": [concept],
        "models": [model],
        "grid": grid,
        "controls": {"templates": 2},
        "sampling": {"max_new_tokens": 72, "temperature": 0.9, "top_p": 0.95},
        "size": {"prompts": prompts, "samples": samples},
        "metrics": {"m": min(100, prompts * samples)},
        "judge": judge.model_dump(),
        "seed": seed,
    }
    return parse_study(value, f"{where}, whose grid comes from the methods, layers and strengths that you name")
