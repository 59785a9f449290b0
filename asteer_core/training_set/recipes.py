"""The ways to choose rows from a pool, each a function from pool and size to row numbers; one is the product, the others its rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from asteer_core.choosing import Thresholds, facility_location, greedy_mixture, log_determinant, objective, passing
from asteer_core.choosing.objectives import PREDICTED
from asteer_core.errors import ConfigError, DataError
from asteer_core.training_set.pool import Pool

DEFAULT = "log_determinant"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How rows are chosen.

    Attributes:
        name: one of `RECIPES`.
        size: rows; None = as many as the last rung of the search had responses.
        thresholds: what a response must reach, in the recipes that drop.
        mixed_by: the objective that a mixture maximises; `predicted` is not offered, since it was fitted on whole corpora.
        negatives: `none`, `unsteered` (the model's own replies, judged compliant) or `concept` (real compliant texts); label 0.
        seed: what the random rival draws.
    """

    name: str = DEFAULT
    size: int | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    mixed_by: str = "hm"
    negatives: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        for what, value, known in (("recipe", self.name, RECIPES), ("negatives", self.negatives, NEGATIVES)):
            if value not in known:
                raise ConfigError(f"{what} {value!r}: expected one of {', '.join(known)}")
        if self.size is not None and self.size < 2:
            raise ConfigError(f"training set of {self.size} rows: at least 2 are needed")
        if self.mixed_by == PREDICTED:
            raise ConfigError("a mixture cannot be chosen by 'predicted'; name another objective for it")
        objective(self.mixed_by)


NEGATIVES = ("none", "unsteered", "concept")
"""Where rows of label 0 come from."""


def chosen(pool: Pool, recipe: Recipe, name: str, size: int) -> np.ndarray:
    """Return the row numbers that recipe `name` takes, at most `size`.

    Raises:
        DataError: no response reaches the thresholds.
    """
    return RECIPES[name](pool, recipe, size)


def _single(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """The first rows of the best configuration, and nothing else."""
    return next(iter(pool.of_configuration().values()))[:size]


def _thresholds(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """Responses that reach the thresholds, from the best configuration on down."""
    return _good(pool, recipe)[:size]


def _facility(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """Of the responses that reach the thresholds, those that represent them best, weighted by success times coherence."""
    good = _good(pool, recipe)
    return good[facility_location(pool.embeddings[good], _quality(pool)[good], min(size, len(good)))]


def _log_determinant(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """Of the responses that reach the thresholds, those that span the most volume, weighted by success times coherence."""
    good = _good(pool, recipe)
    return good[log_determinant(pool.embeddings[good], _quality(pool)[good], min(size, len(good)))]


def _mixture(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """Blocks of responses from several configurations, each block where it raises the pooled objective most."""
    value = objective(recipe.mixed_by)
    pools = {key: rows.tolist() for key, rows in pool.of_configuration().items()}
    return greedy_mixture(pools, min(size, pool.rows.height), lambda rows: value(pool.metrics(rows, quick=True))).rows


def _random(pool: Pool, recipe: Recipe, size: int) -> np.ndarray:
    """Any responses of the search: what choosing is measured against."""
    return np.random.default_rng(recipe.seed).permutation(pool.rows.height)[:size]


RECIPES: dict[str, Callable[[Pool, Recipe, int], np.ndarray]] = {
    "single": _single, "thresholds": _thresholds, "facility": _facility, "log_determinant": _log_determinant, "mixture": _mixture,
    "random": _random,
}  # fmt: skip
"""Ways to choose rows, by name."""


def _good(pool: Pool, recipe: Recipe) -> np.ndarray:
    limits = recipe.thresholds
    good = np.flatnonzero(passing(pool.column("success"), pool.column("coherence"), limits))
    if not len(good):
        raise DataError(
            f"training set of {pool.search.concept}: none of {pool.rows.height} responses has success {limits.success:g} and coherence "
            f"{limits.coherence:g}; lower --min-success or --min-coherence"
        )
    return good


def _quality(pool: Pool) -> np.ndarray:
    return pool.column("success") * pool.column("coherence")
