"""Angular steering: rotation towards the mean difference inside a plane, keeping the norm.

`angular` takes the plane through the mean activation, where the residual stream has its mass. `angular_candidates` takes the
second axis of the paper, the first principal direction of the blocks' mean differences; on the embedded models that plane holds
so little of h that turning inside it changes hardly anything (benchmarks/angular_planes.py).
"""

from __future__ import annotations

import numpy as np

from asteer_core.errors import ConfigError, DataError
from asteer_core.methods._base import BaseMethod, Fit, mean_difference, paired
from asteer_core.methods._given import NOTHING, Given, Need
from asteer_core.methods._registry import METHODS
from asteer_core.types import Edit, Positions, Rotate, SteeringVector

PLANE_FLOOR = 1e-5
"""A candidate whose part outside b1 is shorter than this share of itself is parallel to b1 up to rounding."""


class AngularSteering(BaseMethod):
    """Rotates h inside the plane (b1, b2) from its present angle towards b1 by a fraction: 0 is off, 1 is aligned.

    Source: Vu and Nguyen 2025, https://arxiv.org/abs/2510.26243. The target-angle form of the paper has no setting that
    leaves the model alone; the fraction has.
    """

    name = "angular"
    positions: Positions = "mean"
    description = "norm-preserving turn from the mean activation towards the mean difference, by a fraction"
    source = "https://arxiv.org/abs/2510.26243"
    max_strength = 1.0
    min_pairs = 2

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return b1, the unit mean difference, and in `extras` b2, the direction of the mean activation outside b1.

        Args:
            positive, negative: activations [pair, d_model].
            rng: plays no part.
            given: plays no part here; see `AngularCandidates`.

        Raises:
            DataError: shapes that do not pair, fewer than two pairs, NaN, or a mean activation parallel to b1.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        b1 = mean_difference(positive, negative, method=self.name)
        b2, plane_from = self.second_axis(b1, positive, negative, given.candidates)
        return Fit(b1, extras={"b2": b2}, facts={"plane_from": plane_from})

    def second_axis(
        self, b1: np.ndarray, positive: np.ndarray, negative: np.ndarray, candidates: np.ndarray | None
    ) -> tuple[np.ndarray, str]:
        """Return the unit second axis of the plane, float64 [d_model], and what it was made from."""
        return principal_outside(b1, (positive + negative).mean(axis=0)[None] / 2), "mean activation"

    def check_strength(self, strength: float | None) -> None:
        """Accept a fraction of the present angle.

        Raises:
            ConfigError: none is given, or outside 0 to 1.
        """
        if not 0 <= self.dial(strength) <= 1:
            raise ConfigError(
                f"method {self.name!r}: strength {strength} is a fraction of the angle to the concept; give a value from 0 to 1"
            )

    def edits(self, vector: SteeringVector, strength: float | None) -> tuple[Edit, ...]:
        """Return one rotation by the fraction `strength`, or nothing at 0.

        Raises:
            ConfigError: strength outside 0 to 1, or a vector without b2.
        """
        self.check_strength(strength)
        fraction = self.dial(strength)
        if fraction == 0:
            return ()
        if "b2" not in vector.extras:
            raise ConfigError(
                f"method {self.name!r}, block {vector.block}: the vector (method {vector.method!r}) has no plane; fit it with {self.name!r}"
            )
        b1, b2 = (array.astype(np.float32) for array in (vector.direction, vector.extras["b2"]))
        return (Rotate(vector.block, b1, b2, fraction),)


class AngularCandidates(AngularSteering):
    """The same rotation in the plane of the paper: b2 is the first principal direction of the blocks' mean differences outside b1."""

    name = "angular_candidates"
    needs: frozenset[Need] = frozenset({"candidates"})
    description = "norm-preserving turn in the plane of the blocks' mean differences, by a fraction"

    def second_axis(
        self, b1: np.ndarray, positive: np.ndarray, negative: np.ndarray, candidates: np.ndarray | None
    ) -> tuple[np.ndarray, str]:
        """Return b2 from `candidates`, the mean differences of all captured blocks [block, d_model].

        Without at least two of them the plane would be degenerate, and the pair differences stand in.
        """
        if candidates is not None and len(candidates) >= 2:
            return principal_outside(b1, np.asarray(candidates, dtype=np.float64)), "blocks"
        return principal_outside(b1, positive - negative), "pairs"


def principal_outside(b1: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the unit first principal direction (uncentred) of the candidates' parts orthogonal to b1, float64 [d_model].

    Its sign is that of the candidates' summed projections.

    Raises:
        DataError: candidates of another width, not finite, or all parallel to b1.
    """
    if candidates.ndim != 2 or candidates.shape[1] != len(b1):
        raise DataError(
            f"method 'angular': candidates have shape {candidates.shape}; expected [block, {len(b1)}], one mean difference per block"
        )
    if not np.isfinite(candidates).all():
        raise DataError("method 'angular': the candidate directions hold NaN or infinity; drop those blocks")
    norms = np.linalg.norm(candidates, axis=1)
    # Unit candidates: the residual stream grows with depth, and the last block would decide the plane alone.
    directions = candidates[norms > 0] / norms[norms > 0, None]
    outside = directions - np.outer(directions @ b1, b1)
    if not len(outside) or np.linalg.norm(outside, axis=1).max() < PLANE_FLOOR:
        raise DataError(
            "method 'angular': all candidate directions are parallel to the mean difference, so they span no plane; "
            "capture more blocks, or pass no candidates so that the pair differences are used"
        )
    axis = np.linalg.svd(outside, full_matrices=False)[2][0]
    axis = axis - (axis @ b1) * b1
    axis = axis / np.linalg.norm(axis)
    return -axis if (outside @ axis).sum() < 0 else axis


METHODS.register("angular")(AngularSteering())
METHODS.register("angular_candidates")(AngularCandidates())
