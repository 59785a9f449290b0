"""Choosing with arithmetic: rungs of a search, objectives, thresholds, diverse subsets, mixtures. Numbers in, indices out.

Belongs here: what to keep, given scores and embeddings. Does not: making texts, reading stores, or a metric's formula (`metrics`).
"""

from asteer_core.choosing.budget import AUTO, Budget, parse_budget
from asteer_core.choosing.early_stop import StopRule, stopped
from asteer_core.choosing.halving import Halving, Trial, halve
from asteer_core.choosing.mixture import Mixture, greedy_mixture
from asteer_core.choosing.objectives import OBJECTIVES, objective
from asteer_core.choosing.schedule import Rung, cost, least, schedule
from asteer_core.choosing.subset import facility_location, log_determinant
from asteer_core.choosing.thresholds import Thresholds, passing

__all__ = [
    "AUTO", "OBJECTIVES", "Budget", "Halving", "Mixture", "Rung", "StopRule", "Thresholds", "Trial", "cost", "facility_location",
    "greedy_mixture", "halve", "least", "log_determinant", "objective", "parse_budget", "passing", "schedule", "stopped",
]  # fmt: skip
