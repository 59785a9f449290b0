"""From requests to rows that an engine can run: everything is checked and tokenised before the first forward pass.

What does not belong here: the generation loop (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.errors import ModelError, unknown_name
from asteer_core.model.activations import after_bos, pooled
from asteer_core.model.edits import check_interventions, is_off
from asteer_core.model.loading import LanguageModel
from asteer_core.types import GenerationRequest, Intervention, Sampling


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows in the order of the requests.

    `prompts`: token ids. `group`: rows with equal prompt ids share a number. `number`: the configuration's number, 0 where nothing is
    edited. `limit`: the most tokens a row may generate. `order`: row numbers, longest prompts first, equal prompts side by side.
    """

    requests: Sequence[GenerationRequest]
    prompts: list[list[int]]
    group: np.ndarray
    number: np.ndarray
    limit: np.ndarray
    stream: np.ndarray
    interventions: list[Intervention]
    names: list[str]
    order: list[int]

    def scope(self, row: int) -> str:
        """Return the scope of a row's edits (`generated` where there are none)."""
        number = int(self.number[row])
        return self.interventions[number - 1].scope if number else "generated"


def prepare(
    model: LanguageModel, requests: Sequence[GenerationRequest], interventions: Mapping[str, Intervention], sampling: Sampling
) -> Prepared:
    """Return the rows to run.

    Raises:
        ModelError: unknown layer, wrong width, non-finite values, empty prompt, prompt longer than the context, or a row id used twice;
            the message names the row and its configuration.
        ConfigError: a request names an intervention that is not in the table.
    """
    _check_requests(requests, interventions)
    names = list(dict.fromkeys(request.intervention for request in requests))
    used = {name: interventions[name] for name in names}
    check_interventions(used, model)
    prompts = model.prompter.encode([request.prompt for request in requests], [request.system for request in requests])
    for request, ids in zip(requests, prompts, strict=True):
        if not ids:
            raise ModelError(f"{_where(request)}: the prompt has no tokens; every row needs at least one")
        if model.context_length is not None and len(ids) >= model.context_length:
            raise ModelError(
                f"{_where(request)}: the prompt has {len(ids)} tokens, but the context of {model.name!r} holds {model.context_length} "
                "and needs room for an answer; shorten the prompt or the system message"
            )
    groups: dict[tuple[int, ...], int] = {}
    group = np.array([groups.setdefault(tuple(ids), len(groups)) for ids in prompts], dtype=np.int64)
    acting = {name for name, item in used.items() if not all(is_off(edit) for edit in item.edits)}
    number = np.array([names.index(name) + 1 if name in acting else 0 for name in (item.intervention for item in requests)], dtype=np.int64)
    lengths = np.array([len(ids) for ids in prompts], dtype=np.int64)
    room = np.iinfo(np.int64).max if model.context_length is None else model.context_length - lengths
    prepared = Prepared(
        requests=requests,
        prompts=prompts,
        group=group,
        number=number,
        limit=np.minimum(np.full(len(prompts), sampling.max_new_tokens), room),
        stream=np.array([request.stream for request in requests], dtype=np.int64),
        interventions=list(used.values()),
        names=names,
        order=[int(row) for row in np.lexsort((number, group, -lengths))],
    )
    _close_gates(model, prepared)
    return prepared


def _where(request: GenerationRequest) -> str:
    return f"row {request.row_id!r} (configuration {request.intervention!r})"


def _check_requests(requests: Sequence[GenerationRequest], interventions: Mapping[str, Intervention]) -> None:
    seen: set[str] = set()
    for request in requests:
        if request.row_id in seen:
            raise ModelError(f"{_where(request)}: this row id is used twice in one batch; row ids must be unique")
        seen.add(request.row_id)
        if request.intervention not in interventions:
            raise unknown_name("intervention", request.intervention, interventions)
        if not request.prompt.strip():
            raise ModelError(f"{_where(request)}: got an empty prompt; every row needs a prompt with at least one visible character")


def _close_gates(model: LanguageModel, prepared: Prepared) -> None:
    """Set the number of every row to 0 whose gate does not open: cos(mean prompt activation, condition) > threshold."""
    for number, intervention in enumerate(prepared.interventions, start=1):
        gate = intervention.gate
        rows = np.flatnonzero(prepared.number == number)
        if gate is None or not len(rows):
            continue
        groups, first = np.unique(prepared.group[rows], return_index=True)
        prompts = [prepared.prompts[row] for row in rows[first]]
        means = pooled(model, prompts, [after_bos(model, ids) for ids in prompts], [gate.block])[gate.block].astype(np.float64)
        condition = gate.condition.astype(np.float64)
        cosine = means @ condition / (np.linalg.norm(means, axis=1) * np.linalg.norm(condition))
        closed = groups[~(cosine > gate.threshold)]
        prepared.number[rows[np.isin(prepared.group[rows], closed)]] = 0
