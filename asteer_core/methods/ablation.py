"""Directional ablation: the component along the mean difference is taken out of the stream. There is no strength."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import ConfigError
from asteer_core.methods._base import BaseMethod, Fit, mean_difference, paired
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS
from asteer_core.types import Affine, Edit, SteeringVector


class DirectionalAblation(BaseMethod):
    """h' = h - (h.r) r with r the unit mean difference.

    Source: Arditi et al. 2024, https://arxiv.org/abs/2406.11717.
    """

    name = "ablation"
    description = "directional ablation: the component along the mean difference is removed; no strength"
    source = "https://arxiv.org/abs/2406.11717"
    min_pairs = 1
    has_dial = False

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit mean difference; `rng` and `given` play no part.

        Raises:
            DataError: shapes that do not pair, no pairs, NaN, or differences that cancel out.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        return Fit(mean_difference(positive, negative, method=self.name))

    def check_strength(self, strength: float | None) -> None:
        """Accept no strength at all.

        Raises:
            ConfigError: one is given.
        """
        if strength is not None:
            raise ConfigError(
                f"method {self.name!r} has no strength: it removes the component along the direction, all of it, and cannot remove "
                f"{strength} of it; take `strengths` out of its entry, or use 'ace', which sets the component to a value of your choice"
            )

    def edits(self, vector: SteeringVector, strength: float | None = None) -> tuple[Edit, ...]:
        """Return the one removal.

        Raises:
            ConfigError: a strength is given.
        """
        self.check_strength(strength)
        return (Affine(vector.block, vector.direction.astype(np.float32), np.zeros_like(vector.direction, dtype=np.float32)),)


METHODS.register("ablation")(DirectionalAblation())
