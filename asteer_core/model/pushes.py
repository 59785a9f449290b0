"""What pushes do to a model's predictions on given texts: how far they move them.

Several pushes share the unsteered pass. What does not belong here: which push to choose (`asteer_core.selection`), generation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.edits import check_interventions
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair
from asteer_core.model.scoring import each_logit_batch, encoded, fitted
from asteer_core.model.sequences import Batch, whole
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Intervention


def mean_kls(
    model: LanguageModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    interventions: Sequence[Intervention],
    systems: Sequence[str | None] | None = None,
) -> list[float]:
    """Return for every push the mean over response tokens of KL(steered || unsteered) in nats, teacher-forced on the given responses.

    The scope of an intervention holds as in generation: `generated` begins at the last prompt token. Gates are not evaluated: the
    edits act on every row. Tokens beyond the context do not count.

    Raises:
        ModelError: an intervention does not fit the model, no response has a token, or memory does not suffice for a single row.
    """
    check_interventions({f"probe {number}": intervention for number, intervention in enumerate(interventions)}, model)
    pairs = [pair for pair in fitted(model, encoded(model, prompts, responses, systems)) if len(pair.ids) > pair.start]
    if not pairs:
        raise ModelError(f"{model.name}: the probe set has no response tokens, so KL(steered || unsteered) is undefined")
    summed, tokens = np.zeros((len(interventions), len(pairs))), sum(len(pair.ids) - pair.start for pair in pairs)
    with torch.inference_mode(), Steering(model, interventions) as steering:

        def compare(batch: Batch) -> None:
            # A batch that memory did not suffice for may have ended while it was steered.
            steering.release()
            plain = torch.log_softmax(whole(model, batch).float(), dim=-1)
            for number, intervention in enumerate(interventions):
                steering.choose(torch.full((len(batch.rows),), number + 1))
                steering.steer(_scope(batch, pairs, intervention), Tally(len(batch.rows), model.device))
                steered = torch.log_softmax(whole(model, batch).float(), dim=-1)
                steering.release()
                divergence = (steered.exp() * (steered - plain)).sum(-1).cpu().double().numpy()
                summed[number, batch.rows] = [divergence[place, _span(pairs[row])].sum() for place, row in enumerate(batch.rows)]

        each_logit_batch(model, pairs, compare)
    return [float(kl) for kl in summed.sum(1) / tokens]


def mean_kl(
    model: LanguageModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    intervention: Intervention,
    systems: Sequence[str | None] | None = None,
) -> float:
    """Return the mean over response tokens of KL(steered || unsteered) in nats; see `mean_kls`.

    Raises:
        ModelError: the intervention does not fit the model, or no response has a token.
    """
    return mean_kls(model, prompts, responses, [intervention], systems)[0]


def _span(pair: TokenPair) -> slice:
    """Return the positions whose predictions are the response's tokens."""
    return slice(pair.start - 1, len(pair.ids) - 1)


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
