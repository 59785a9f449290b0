"""Teacher-forced scoring: how likely a model finds given texts, and how far an edit moves its predictions.

What does not belong here: what the numbers mean (`asteer_core.metrics`), generation (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.activations import row_systems
from asteer_core.model.edits import check_interventions
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair
from asteer_core.model.sequences import Batch, Progress, batches, whole
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Intervention

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
    """
    pairs = _fitted(model, _pairs(model, prompts, responses, systems))
    total, count = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=np.int64)
    scored = [row for row, pair in enumerate(pairs) if len(pair.ids) > pair.start]
    done = len(pairs) - len(scored)
    with torch.inference_mode():
        for batch in _batches(model, [pairs[row] for row in scored]):
            logits = whole(model, batch)[:, :-1].float()
            nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none").cpu().double().numpy()
            for place, row in enumerate(batch.rows):
                pair = pairs[scored[row]]
                count[scored[row]] = len(pair.ids) - pair.start
                total[scored[row]] = nll[place, pair.start - 1 : len(pair.ids) - 1].mean()
            done += len(batch.rows)
            if on_progress:
                on_progress(done, len(pairs))
    return total, count


def mean_kl(
    model: LanguageModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    intervention: Intervention,
    systems: Sequence[str | None] | None = None,
) -> float:
    """Return the mean over response tokens of KL(steered || unsteered) in nats, teacher-forced on the given responses.

    The scope of the intervention holds as in generation: `generated` begins at the last prompt token. Gates are not evaluated: the
    edits act on every row.

    Raises:
        ModelError: the intervention does not fit the model, or no response has a token.
    """
    check_interventions({"probe": intervention}, model)
    pairs = [pair for pair in _fitted(model, _pairs(model, prompts, responses, systems)) if len(pair.ids) > pair.start]
    if not pairs:
        raise ModelError(f"{model.name}: the probe set has no response tokens, so KL(steered || unsteered) is undefined")
    summed, tokens = 0.0, 0
    with torch.inference_mode(), Steering(model, [intervention]) as steering:
        for batch in _batches(model, pairs):
            plain = torch.log_softmax(whole(model, batch).float(), dim=-1)
            steering.choose(torch.ones(len(batch.rows), dtype=torch.long))
            steering.steer(_scope(batch, pairs, intervention), Tally(len(batch.rows), model.device))
            steered = torch.log_softmax(whole(model, batch).float(), dim=-1)
            steering.release()
            divergence = (steered.exp() * (steered - plain)).sum(-1).cpu().double().numpy()
            for place, row in enumerate(batch.rows):
                part = divergence[place, pairs[row].start - 1 : len(pairs[row].ids) - 1]
                summed, tokens = summed + float(part.sum()), tokens + len(part)
    return summed / tokens


def _scope(batch: Batch, pairs: list[TokenPair], intervention: Intervention) -> torch.Tensor:
    """Return which tokens of a batch the intervention names, bool [row, token]."""
    device = batch.ids.device
    column = torch.arange(batch.ids.shape[1], device=device)[None]
    start = torch.tensor([pairs[row].start for row in batch.rows], device=device)[:, None]
    bos = torch.tensor([pairs[row].bos for row in batch.rows], device=device)[:, None]
    # The last prompt token produces the first new one, so it is steered in every scope.
    last = column == start - 1
    inside = {"generated": column >= start, "prompt": (column >= bos) & (column < start), "all": column >= bos}[intervention.scope]
    return batch.valid & (inside | last)


def _pairs(model: LanguageModel, prompts: Sequence[str], responses: Sequence[str], systems: Sequence[str | None] | None) -> list[TokenPair]:
    if len(prompts) != len(responses):
        raise ModelError(f"got {len(prompts)} prompts but {len(responses)} responses; row i of both must belong together")
    return model.prompter.encode_pairs(list(prompts), list(responses), row_systems(systems, len(prompts)))


def _fitted(model: LanguageModel, pairs: list[TokenPair]) -> list[TokenPair]:
    limit = model.context_length
    return pairs if limit is None else [TokenPair(pair.ids[:limit], pair.start, pair.bos) for pair in pairs]


def _batches(model: LanguageModel, pairs: list[TokenPair]) -> Iterator[Batch]:
    vocabulary = int(model.module.get_output_embeddings().weight.shape[0])
    return batches([pair.ids for pair in pairs], model.device, max_tokens=max(1, min(8192, _LOGITS // vocabulary)))
