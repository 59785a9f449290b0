"""What a search maximises: one number from the metrics of a corpus. Values of one rung are comparable, of two rungs are not.

Not here: the prediction of AUROC from a warehouse (`analysis.prediction`), which a search passes in as a function of the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asteer_core.errors import unknown_name
from asteer_core.metrics.combination import harmonic

Metrics = Mapping[str, float | None]
Objective = Callable[[Metrics], float | None]

OBJECTIVES: dict[str, Objective] = {
    "hm": lambda metrics: harmonic(metrics["success"], metrics["coherence"], metrics["diversity"]),
    "hm_sc": lambda metrics: harmonic(metrics["success"], metrics["coherence"]),
    "hm_sd": lambda metrics: harmonic(metrics["success"], metrics["diversity"]),
    "success": lambda metrics: metrics["success"],
    "d": lambda metrics: metrics["diversity"],
}
"""Name -> number from a corpus's success, coherence and diversity; None where a needed metric is undefined."""

PREDICTED = "predicted"
"""The objective that a regression on finished studies gives; needs a warehouse and so stands outside the table."""

WITH_COHERENCE = ("hm", "hm_sc")
"""Objectives that broken text cannot win, so that stopping it early loses nothing."""


def objective(name: str) -> Objective:
    """Return an objective by name.

    Raises:
        ConfigError: no such objective; the nearest is suggested.
    """
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, [*OBJECTIVES, PREDICTED])
    return OBJECTIVES[name]
