"""RepE / LAT: first principal direction of the pair differences, with the sign of the labels."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.methods._base import AdditiveMethod, Fit, paired
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS
from asteer_core.types import Positions

SIGN_FLOOR = 1e-6
"""Below this share of the differences' mean norm the mean projection is zero, and the sign would be left to chance."""


class PrincipalDifference(AdditiveMethod):
    """Adds the first right singular vector of the differences taken with both signs.

    Source: Zou et al. 2023, https://arxiv.org/abs/2310.01405.
    """

    name = "pca"
    # Over mean-pooled tokens the first direction is the mean difference itself (cosine 1), a second copy of caa.
    positions: Positions = "last"
    description = "first principal direction of the pair differences (RepE), signed by the labels, added"
    source = "https://arxiv.org/abs/2310.01405"
    min_pairs = 2

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit direction that holds most of the differences' energy; `rng` and `given` play no part.

        Raises:
            DataError: shapes that do not pair, fewer than two pairs, NaN, no difference, or a sign the labels do not settle.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        differences = positive - negative
        # Centring one-signed differences would delete their mean, which is the signal. With both signs in the set the mean is
        # zero by construction, and the singular vectors are those of the differences as they are.
        _, singular, right = np.linalg.svd(differences, full_matrices=False)
        direction = right[0]
        projection = float((differences @ direction).mean())
        if abs(projection) <= SIGN_FLOOR * float(np.linalg.norm(differences, axis=1).mean()):
            raise DataError(
                "method 'pca': positives and negatives project equally on the first principal direction, so its sign is undecided; "
                "the direction is not the concept. Use more pairs, another block, or method 'caa'"
            )
        share = float(singular[0] ** 2 / (singular**2).sum())
        return Fit(direction * np.sign(projection), facts={"energy_share": share})


METHODS.register("pca")(PrincipalDifference())
