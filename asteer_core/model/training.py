"""Training one vector that is added to a block's output, with the model's own loss; the model's weights stay as they are.

What does not belong here: which completions are trained on, and what becomes of the vector (`asteer_core.methods.learned`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair
from asteer_core.model.sequences import Batch, check_lengths, pad_right, whole
from asteer_core.model.sites import attach
from asteer_core.types import TrainedVector

Texts = tuple[Sequence[str], Sequence[str]]
"""Prompts and responses, row i of both together."""


def train_vector(
    model: LanguageModel,
    train: Texts,
    heldout: Texts,
    block: int,
    scale: float,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    patience: int,
    rng: np.random.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedVector:
    """Return the vector that, added from the last prompt token on, makes the model most likely to write the responses.

    Adam with decoupled weight decay, from zero; the loss is the mean negative log-likelihood over all response tokens of a batch.

    Args:
        model: the model, whose weights take no part.
        train: completions to be made likely.
        heldout: completions that decide when to stop, and which epoch is kept.
        block: where the vector is added.
        scale: residual norm at the block; `learning_rate` is the length of a first step relative to it.
        epochs: passes over the completions at most.
        batch_size: rows per step.
        learning_rate: see `scale`.
        weight_decay: share of the vector that a step at learning rate 1 takes away.
        patience: epochs without a lower held-out loss after which training ends.
        rng: order of the rows.
        on_progress: called with epochs done and epochs in all.

    Raises:
        ModelError: unknown block, a row longer than the context or without response tokens, or a loss that is not finite.
    """
    model.check_blocks([block])
    rows, held = (_encoded(model, texts) for texts in (train, heldout))
    vector = torch.zeros(model.d_model, dtype=torch.float32, device=_device(model, block), requires_grad=True)
    step = learning_rate * scale / model.d_model**0.5
    # Adam's first step has this length in every coordinate; decay is meant relative to the user's rate, not to the residual norm.
    optimizer = torch.optim.AdamW([vector], lr=step, weight_decay=weight_decay * learning_rate / step)
    losses, best, kept = [_mean_loss(model, held, block, vector, batch_size)], vector.detach().clone(), 0
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), batch_size):
            optimizer.zero_grad()
            with _frozen(model), _Added(model, block, vector) as added:
                total, tokens = _loss(model, [rows[row] for row in order[start : start + batch_size]], added)
                (total / tokens).backward()
            optimizer.step()
        losses.append(_mean_loss(model, held, block, vector, batch_size))
        if not np.isfinite(losses[-1]):
            raise ModelError(f"{model.name}, layer {block}: the loss is {losses[-1]} after {epoch} epochs; lower learning_rate")
        if losses[-1] < min(losses[:-1]):
            best, kept = vector.detach().clone(), epoch
        if on_progress:
            on_progress(epoch, epochs)
        if epoch - kept >= patience:
            break
    return TrainedVector(best.cpu().numpy(), tuple(losses), kept)


class _Added:
    """A vector added at a block, for the length of a `with` statement, to the tokens that `where` names (bool [row, token])."""

    def __init__(self, model: LanguageModel, block: int, vector: torch.Tensor) -> None:
        self.where = torch.zeros(0, 0, dtype=torch.bool)
        self._vector = vector
        self._attach = lambda: attach(model, block, "block_output", self._add)
        self._handle: Any = None

    def __enter__(self) -> _Added:
        self._handle = self._attach()
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _add(self, hidden: torch.Tensor) -> torch.Tensor:
        shift = self.where.to(hidden.device)[..., None] * self._vector.to(hidden.device)
        return (hidden.float() + shift).to(hidden.dtype)


class _frozen:
    """Keeps the model's weights out of the gradient, and puts their flags back afterwards."""

    def __init__(self, model: LanguageModel) -> None:
        self._flags = [(parameter, parameter.requires_grad) for parameter in model.module.parameters()]

    def __enter__(self) -> None:
        for parameter, _ in self._flags:
            parameter.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)


def _encoded(model: LanguageModel, texts: Texts) -> list[TokenPair]:
    prompts, responses = (list(side) for side in texts)
    if not prompts:
        raise ModelError(f"{model.name}: no completions to train on")
    pairs = model.prompter.encode_pairs(prompts, responses, [None] * len(prompts))
    check_lengths(model, [len(pair.ids) for pair in pairs], "training row")
    for row, pair in enumerate(pairs):
        if len(pair.ids) == pair.start:
            raise ModelError(f"training row {row}: the response has no tokens, so it has no likelihood")
    return pairs


def _loss(model: LanguageModel, pairs: Sequence[TokenPair], added: _Added) -> tuple[torch.Tensor, int]:
    """Return the summed negative log-likelihood (nats) of the response tokens of some rows, and how many there are."""
    ids, valid = pad_right([pair.ids for pair in pairs], model.device)
    start = torch.tensor([pair.start for pair in pairs], device=ids.device)[:, None]
    column = torch.arange(ids.shape[1], device=ids.device)[None]
    # The last prompt token produces the first response token, so it is steered too.
    added.where = valid & (column >= start - 1)
    logits = whole(model, Batch(list(range(len(pairs))), ids, valid))[:, :-1].float()
    response = (valid & (column >= start))[:, 1:]
    nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return torch.where(response, nll, 0.0).sum(), int(response.sum())


def _mean_loss(model: LanguageModel, pairs: Sequence[TokenPair], block: int, vector: torch.Tensor, batch_size: int) -> float:
    total, tokens = 0.0, 0
    with torch.no_grad(), _Added(model, block, vector) as added:
        for start in range(0, len(pairs), batch_size):
            loss, count = _loss(model, pairs[start : start + batch_size], added)
            total, tokens = total + float(loss), tokens + count
    return total / tokens


def _device(model: LanguageModel, block: int) -> torch.device:
    parameter = next(model.blocks[block].parameters(), None)
    return model.device if parameter is None else parameter.device
