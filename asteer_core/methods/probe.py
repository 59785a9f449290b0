"""Logistic-regression probe: a reading direction (the weights) and a pushing direction (the pattern behind them)."""

from __future__ import annotations

import numpy as np

from asteer_core.errors import DataError
from asteer_core.methods._base import AdditiveMethod, Fit, paired, unit
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS


class ProbeDirection(AdditiveMethod):
    """Adds the pattern Sigma w of a logistic-regression probe; the weights w stay in `extras["reading"]`.

    Source: Li et al. 2023, https://arxiv.org/abs/2306.03341 (probe directions); Haufe et al. 2014,
    https://doi.org/10.1016/j.neuroimage.2013.10.067 (pattern of a linear reader).
    """

    name = "probe"
    description = "pattern of a logistic-regression probe on standardised activations, added"
    source = "https://arxiv.org/abs/2306.03341"
    min_pairs = 4
    regularisation = 1.0

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit pattern, and the unit weights in activation units as `reading`; `rng` and `given` play no part.

        Raises:
            DataError: shapes that do not pair, fewer than four pairs, NaN, or no difference between the classes.
        """
        # Imported here: listing the methods must not cost the second that scikit-learn takes.
        from sklearn.linear_model import LogisticRegression

        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        activations = np.concatenate([positive, negative])
        labels = np.repeat([1, 0], len(positive))
        centred = activations - activations.mean(axis=0)
        sigma = centred.std(axis=0)
        varying = sigma > 1e-9 * sigma.max()
        standard = centred[:, varying] / sigma[varying]
        probe = LogisticRegression(C=self.regularisation, max_iter=2000).fit(standard, labels)
        # The weights read z-scores; divided by sigma they read activations.
        weights = np.zeros(activations.shape[1])
        weights[varying] = probe.coef_[0] / sigma[varying]
        reading = unit(weights, method=self.name, what="probe's weight vector")
        pattern = centred.T @ (centred @ reading) / len(centred)
        direction = unit(pattern, method=self.name, what="probe's pattern")
        if (positive @ direction).mean() <= (negative @ direction).mean():
            raise DataError(
                "method 'probe': the probe's pattern points away from the positives, so it did not learn the concept; "
                "use more pairs or another block"
            )
        return Fit(direction, extras={"reading": reading}, facts={"train_accuracy": float(probe.score(standard, labels))})


METHODS.register("probe")(ProbeDirection())
