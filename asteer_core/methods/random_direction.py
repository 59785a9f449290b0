"""Control: a random direction with the norm of a real one shows what any push of this size does."""

from __future__ import annotations

import numpy as np

from asteer_core.methods._base import AdditiveMethod, Fit, paired, unit
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS


class RandomDirection(AdditiveMethod):
    """Adds an isotropic random direction; it reads only the width of the activations."""

    name = "random"
    description = "control: a random direction, added"
    source = "control"
    min_pairs = 1

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return a unit direction drawn from `rng`, uniform on the sphere; `given` plays no part.

        Raises:
            DataError: shapes that do not pair, no pairs, or NaN.
        """
        positive, _ = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        return Fit(unit(rng.standard_normal(positive.shape[1]), method=self.name, what="random draw"))


METHODS.register("random")(RandomDirection())
