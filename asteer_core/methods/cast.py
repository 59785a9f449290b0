"""Conditional steering: the mean difference is added only to rows whose prompt is of the concept's kind."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from asteer_core.errors import DataError
from asteer_core.methods._base import AdditiveMethod, Fit, mean_difference, paired, unit
from asteer_core.methods._given import NOTHING, Given, Need, Options, options_of, provided
from asteer_core.methods._registry import METHODS
from asteer_core.types import Gate, SteeringVector


class CastOptions(Options):
    """What the gate compares, and where.

    `against`: concepts whose prompts must not open it (None: the study's other concepts). `condition_layer`: block at which prompts are
    compared (None: the block that is steered).
    """

    against: list[str] | None = Field(default=None, min_length=1)
    condition_layer: int | None = Field(default=None, ge=0)


class ConditionalSteering(AdditiveMethod):
    """Adds the mean paired difference where cos(mean prompt activation, condition) > threshold, decided for every row.

    The condition is the mean difference of the concept's own prompts and prompts of other concepts; the threshold maximises recall
    minus false alarms on held-out prompts of both.

    Source: Lee et al. 2024, https://arxiv.org/abs/2409.05907.
    """

    name = "cast"
    description = "conditional steering: mean difference added where the prompt opens a gate, row by row"
    source = "https://arxiv.org/abs/2409.05907"
    min_pairs = 1
    needs: frozenset[Need] = frozenset({"prompts"})
    options: type[Options] = CastOptions
    has_gate = True

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit mean difference, in `extras` the unit condition, and in `facts` the gate with its precision and recall.

        Precision and recall are cross-fitted: each half of the held-out prompts is judged at the threshold of the other half.

        Raises:
            DataError: pairs without a direction, no prompts at the condition's block, or prompts that no threshold tells apart.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        direction = mean_difference(positive, negative, method=self.name)
        layer = options_of(given, CastOptions).condition_layer
        block = given.block if layer is None else layer
        prompts = given.prompts.get(block) if given.prompts else None
        if given.prompts and prompts is None:
            raise DataError(f"method 'cast': condition_layer {block} does not exist; the model has layers 0 to {max(given.prompts)}")
        prompts = provided(prompts, method=self.name, need="prompts")
        shift = prompts.own.astype(np.float64).mean(axis=0) - prompts.other.astype(np.float64).mean(axis=0)
        condition = unit(shift, method=self.name, what="difference between the concept's prompts and the others")
        own, other = (_cosines(side, condition) for side in (prompts.tuning_own, prompts.tuning_other))
        precision, recall = _cross_fitted(own, other)
        facts = {
            "gate_block": block,
            "gate_threshold": best_threshold(own, other),
            "gate_precision": precision,
            "gate_recall": recall,
            "gate_prompts": [len(own), len(other)],
        }
        return Fit(direction, extras={"condition": condition}, facts=facts)

    def gate(self, vector: SteeringVector) -> Gate | None:
        """Return the gate that was fitted with the vector."""
        facts = vector.metadata
        return Gate(int(facts["gate_block"]), vector.extras["condition"].astype(np.float32), float(facts["gate_threshold"]))


def best_threshold(own: np.ndarray, other: np.ndarray) -> float:
    """Return the threshold that maximises the share of `own` above it minus the share of `other` above it (the middle of a gap).

    Raises:
        DataError: no threshold does better than a gate that is always open.
    """
    values = np.unique(np.concatenate([own, other]))
    middles = (values[1:] + values[:-1]) / 2
    gains = [(own > value).mean() - (other > value).mean() for value in middles]
    if not gains or max(gains) <= 0:
        raise DataError(
            "method 'cast': no threshold tells the concept's held-out prompts from the others, so the gate would mean nothing; "
            "try another condition_layer, or steer without a gate (method 'caa')"
        )
    return float(middles[int(np.argmax(gains))])


def _cross_fitted(own: np.ndarray, other: np.ndarray) -> tuple[float | None, float]:
    if min(len(own), len(other)) < 4:
        raise DataError(f"method 'cast': {len(own)} own and {len(other)} other held-out prompts; at least 4 of each are needed")
    opened_own, opened_other = 0, 0
    for part in (0, 1):
        threshold = best_threshold(own[part::2], other[part::2])
        opened_own += int((own[1 - part :: 2] > threshold).sum())
        opened_other += int((other[1 - part :: 2] > threshold).sum())
    opened = opened_own + opened_other
    return (opened_own / opened if opened else None), opened_own / len(own)


def _cosines(activations: np.ndarray, condition: np.ndarray) -> np.ndarray:
    wide = activations.astype(np.float64)
    return wide @ condition / np.linalg.norm(wide, axis=1)


METHODS.register("cast")(ConditionalSteering())
