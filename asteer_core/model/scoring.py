"""Teacher-forced scoring: how likely a model finds given texts.

What does not belong here: what the numbers mean (`asteer_core.metrics`), what edits change (`pushes.py`), generation (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.activations import row_systems
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair
from asteer_core.model.sequences import Batch, Progress, each_batch, whole

_LOGITS = 1 << 25
"""The most logits held at a time (128 MiB in float32)."""


def mean_token_nll(
    model: LanguageModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    systems: Sequence[str | None] | None = None,
    *,
    on_progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each response's mean negative log-likelihood per token in nats (float64 [row]) and how many tokens that covers (int64 [row]).

    A response without tokens, or one for which the prompt leaves no room in the context, has NaN and 0. Tokens beyond the context are
    not scored, and not counted.

    Raises:
        ModelError: the lists are not equally long, or memory does not suffice for a single row.
    """
    pairs = fitted(model, encoded(model, prompts, responses, systems))
    total, count = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=np.int64)
    scored = [row for row, pair in enumerate(pairs) if len(pair.ids) > pair.start]

    def score(batch: Batch) -> None:
        logits = whole(model, batch)[:, :-1].float()
        nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none").cpu().double().numpy()
        for place, row in enumerate(batch.rows):
            pair = pairs[scored[row]]
            count[scored[row]] = len(pair.ids) - pair.start
            total[scored[row]] = nll[place, pair.start - 1 : len(pair.ids) - 1].mean()

    def progress(done: int, _: int) -> None:
        if on_progress:
            on_progress(len(pairs) - len(scored) + done, len(pairs))

    with torch.inference_mode():
        each_logit_batch(model, [pairs[row] for row in scored], score, progress)
    return total, count


def cut_responses(model: LanguageModel, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return which responses end beyond the context, so that `mean_token_nll` covers only a part of them or nothing, bool [row]."""
    limit = model.context_length
    return np.array([limit is not None and len(pair.ids) > limit for pair in encoded(model, prompts, responses, None)], dtype=bool)


def encoded(
    model: LanguageModel, prompts: Sequence[str], responses: Sequence[str], systems: Sequence[str | None] | None
) -> list[TokenPair]:
    """Return the token ids of every prompt with its response.

    Raises:
        ModelError: the two lists are not equally long.
    """
    if len(prompts) != len(responses):
        raise ModelError(f"got {len(prompts)} prompts but {len(responses)} responses; row i of both must belong together")
    return model.prompter.encode_pairs(list(prompts), list(responses), row_systems(systems, len(prompts)))


def fitted(model: LanguageModel, pairs: list[TokenPair]) -> list[TokenPair]:
    """Return the pairs, cut where the context of the model ends."""
    limit = model.context_length
    return pairs if limit is None else [TokenPair(pair.ids[:limit], pair.start, pair.bos) for pair in pairs]


def each_logit_batch(
    model: LanguageModel, pairs: list[TokenPair], work: Callable[[Batch], None], on_progress: Progress | None = None
) -> None:
    """Call `work` with batches so small that their logits fit into memory; as in `each_batch`, a row may come again.

    Raises:
        ModelError: memory does not suffice for a single row.
    """
    vocabulary = int(model.module.get_output_embeddings().weight.shape[0])
    budget = max(1, min(8192, _LOGITS // vocabulary))
    each_batch(model, [pair.ids for pair in pairs], work, on_progress, max_tokens=budget)
