"""A learned vector: what, added to the stream, makes the model write the violating completions."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from asteer_core.errors import DataError
from asteer_core.methods._base import AdditiveMethod, Fit, paired, unit
from asteer_core.methods._given import NOTHING, Given, Need, Options, options_of, provided
from asteer_core.methods._registry import METHODS


class LearnedOptions(Options):
    """How the vector is trained.

    `learning_rate` is the size of a step relative to the residual norm. Training ends after `epochs`, or when the held-out loss has not
    fallen for `patience` epochs; the best epoch is kept.
    """

    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=0.05, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    patience: int = Field(default=2, ge=1)


class LearnedVector(AdditiveMethod):
    """Adds a vector trained by gradient descent on the log-likelihood of the violating completions, the model itself frozen.

    Source: Cao et al. 2024, https://arxiv.org/abs/2406.00045 (vectors found by optimisation); Wu et al. 2024,
    https://arxiv.org/abs/2404.03592 (rank-1 interventions on representations).
    """

    name = "learned"
    description = "a vector trained with the LM loss on the violating completions, added"
    source = "https://arxiv.org/abs/2406.00045"
    min_pairs = 4
    needs: frozenset[Need] = frozenset({"training", "tuning"})
    options: type[Options] = LearnedOptions

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit direction of the trained vector; its own norm and losses stand in `facts`.

        Raises:
            DataError: too few or identical pairs, or a vector that does not lower the held-out loss.
        """
        paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        train = provided(given.train, method=self.name, need="training")
        trained = train(**options_of(given, LearnedOptions).model_dump(), rng=rng)
        losses = trained.heldout_losses
        if trained.epoch == 0:
            raise DataError(
                f"method 'learned': {len(losses) - 1} epochs did not lower the held-out loss ({losses[0]:.4g} nats per token without a "
                "vector); lower learning_rate, use more pairs, or another block"
            )
        vector = trained.vector.astype(np.float64)
        facts = {
            "trained_norm": float(np.linalg.norm(vector)),
            "epoch": trained.epoch,
            "heldout_loss_without": losses[0],
            "heldout_loss": losses[trained.epoch],
        }
        return Fit(unit(vector, method=self.name, what="trained vector"), facts=facts)


METHODS.register("learned")(LearnedVector())
