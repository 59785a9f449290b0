"""Affine concept editing: the component along the mean difference is set to that of compliant replies, plus the dial."""

from __future__ import annotations

import numpy as np

from asteer_core.methods._base import BaseMethod, Fit, mean_difference, paired
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS
from asteer_core.types import Affine, Edit, SteeringVector


class AffineConceptEditing(BaseMethod):
    """h' = h - (h.r) r + (mu.r) r + strength * scale * r with r the unit mean difference and mu the mean compliant activation.

    Source: Marshall et al. 2024, https://arxiv.org/abs/2411.09003.
    """

    name = "ace"
    description = "affine concept editing: the component along the mean difference is set, not shifted"
    source = "https://arxiv.org/abs/2411.09003"
    min_pairs = 1

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit mean difference, and in `extras` the part of the mean compliant activation that lies along it.

        Args:
            positive, negative: activations [pair, d_model].
            rng: plays no part.
            given: plays no part.

        Raises:
            DataError: shapes that do not pair, no pairs, NaN, or differences that cancel out.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        direction = mean_difference(positive, negative, method=self.name)
        compliant, violating = (float(side.mean(axis=0) @ direction) for side in (negative, positive))
        facts = {"compliant_component": compliant, "violating_component": violating}
        return Fit(direction, extras={"baseline": compliant * direction}, facts=facts)

    def edits(self, vector: SteeringVector, strength: float | None) -> tuple[Edit, ...]:
        """Return one replacement of the component along the direction, or nothing at strength 0.

        Raises:
            ConfigError: the strength is missing or not finite.
        """
        amount = self.dial(strength)
        if amount == 0:
            return ()
        direction = vector.direction.astype(np.float64)
        offset = vector.extras["baseline"] + amount * vector.scale * direction
        return (Affine(vector.block, vector.direction.astype(np.float32), offset.astype(np.float32)),)


METHODS.register("ace")(AffineConceptEditing())
