"""Contrastive activation addition: centroid of the positives minus centroid of the negatives."""

from __future__ import annotations

import numpy as np

from asteer_core.methods._base import AdditiveMethod, Fit, mean_difference, paired
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS


class MeanDifference(AdditiveMethod):
    """Adds the mean paired difference.

    Source: Rimsky et al. 2023, https://arxiv.org/abs/2312.06681.
    """

    name = "caa"
    description = "contrastive activation addition: mean difference of the pairs, added"
    source = "https://arxiv.org/abs/2312.06681"
    min_pairs = 1

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit mean difference; `rng` and `given` play no part.

        Raises:
            DataError: shapes that do not pair, no pairs, NaN, or differences that cancel out.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        return Fit(mean_difference(positive, negative, method=self.name))


METHODS.register("caa")(MeanDifference())
