"""Inference-time intervention: a few attention heads are pushed, at the input of their block's output projection."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from asteer_core.errors import DataError
from asteer_core.methods._base import BaseMethod, Fit, paired, unit
from asteer_core.methods._given import NOTHING, Given, HeadPairs, Need, Options, options_of, provided
from asteer_core.methods._registry import METHODS
from asteer_core.types import Add, Edit, SteeringVector


class ItiOptions(Options):
    """`top_k`: how many heads of the block are pushed, best probe first."""

    top_k: int = Field(default=4, ge=1)


class InferenceTimeIntervention(BaseMethod):
    """Adds sigma_k theta_k to each of the top heads: theta the unit mean shift, sigma the deviation of the projections on it.

    Heads are ranked by the accuracy of a logistic probe on tuning pairs. The sum is scaled so that strength is what the heads write
    into the stream relative to the residual norm, as for every additive method; `direction` is that writing.

    Source: Li et al. 2023, https://arxiv.org/abs/2306.03341.
    """

    name = "iti"
    description = "inference-time intervention: mean shift of the block's best attention heads, added to them"
    source = "https://arxiv.org/abs/2306.03341"
    min_pairs = 4
    needs: frozenset[Need] = frozenset({"heads", "tuning"})
    options: type[Options] = ItiOptions

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return what the pushed heads write into the stream, and in `extras` the push itself, [head * dim].

        Args:
            positive, negative: activations of the block output [pair, d_model]; only checked, the heads are in `given`.
            rng: plays no part.
            given: heads, and the option top_k.

        Raises:
            DataError: too few or identical pairs, NaN, fewer heads than top_k, or heads that do not differ between the classes.
        """
        paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        heads = provided(given.heads, method=self.name, need="heads")
        top_k = options_of(given, ItiOptions).top_k
        count, dim = heads.train[0].shape[1:]
        if top_k > count:
            raise DataError(f"method 'iti': top_k is {top_k}, but block {given.block} has {count} attention heads; lower top_k")
        flat = [side.reshape(len(side), -1) for side in heads.train]
        train = [side.reshape(-1, count, dim) for side in paired(flat[0], flat[1], method=self.name, min_pairs=self.min_pairs)]
        accuracy = _accuracies(heads)
        # Ties go to the lower head number, on every machine.
        chosen = np.argsort(-accuracy, kind="stable")[:top_k]
        push = np.zeros((count, dim))
        for head in chosen:
            shift = (train[0][:, head] - train[1][:, head]).mean(axis=0)
            theta = unit(shift, method=self.name, what=f"mean shift of head {head}")
            push[head] = np.concatenate([side[:, head] @ theta for side in train]).std() * theta
        written = heads.writing.astype(np.float64) @ push.ravel()
        direction = unit(written, method=self.name, what="writing of the chosen heads")
        facts = {"heads": chosen.tolist(), "head_accuracies": accuracy[chosen].tolist(), "head_dim": int(dim)}
        return Fit(direction, extras={"heads": push.ravel() / np.linalg.norm(written)}, facts=facts)

    def edits(self, vector: SteeringVector, strength: float | None) -> tuple[Edit, ...]:
        """Return one addition at the heads, or nothing at strength 0.

        Raises:
            ConfigError: the strength is missing or not finite.
        """
        amount = self.dial(strength)
        if amount == 0:
            return ()
        push = amount * vector.scale * vector.extras["heads"].astype(np.float64)
        return (Add(vector.block, push.astype(np.float32), "attention_heads"),)


def _accuracies(heads: HeadPairs) -> np.ndarray:
    """Return each head's probe accuracy on the tuning pairs, float64 [head]."""
    # Imported here: listing the methods must not cost the second that scikit-learn takes.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, tuning = (np.concatenate(sides).astype(np.float64) for sides in (heads.train, heads.tuning))
    labels, held = (np.repeat([1, 0], len(sides[0])) for sides in (heads.train, heads.tuning))
    found = []
    for head in range(train.shape[1]):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train[:, head], labels)
        found.append(float(probe.score(tuning[:, head], held)))
    return np.array(found)


METHODS.register("iti")(InferenceTimeIntervention())
