"""Batched generation in which every row has its own configuration, at the cost of plain generation.

Prompts are read once per distinct prefix; rows that finish make room for others; a row's text does not depend on its neighbours.
What does not belong here: checks (`preparation.py`), the algebra of edits (`edits.py`), drawing (`sampling.py`), caches (`cache.py`),
the two ways to run rows (`engines.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial

import torch

from asteer_core.errors import ModelError
from asteer_core.model.engines import EngineName, Run, running
from asteer_core.model.loading import LanguageModel
from asteer_core.model.memory import fits, fitting_rows
from asteer_core.model.preparation import Prepared, prepare
from asteer_core.model.rows import GeneratedRow
from asteer_core.types import GenerationRequest, Intervention, Sampling

GenerationProgress = Callable[[int, int, int], None]
"""Called with rows done, rows in all, and tokens generated so far."""


def generate(
    model: LanguageModel,
    requests: Sequence[GenerationRequest],
    interventions: Mapping[str, Intervention],
    sampling: Sampling,
    *,
    batch_size: int | None = None,
    engine: EngineName | None = None,
    on_progress: GenerationProgress | None = None,
    on_row: Callable[[GeneratedRow], None] | None = None,
) -> list[GeneratedRow]:
    """Return one generated row per request, in the order of the requests.

    Args:
        model: the model to steer.
        requests: rows to generate; each names its intervention.
        interventions: what each configuration does.
        sampling: how tokens are drawn.
        batch_size: rows at a time; None takes what memory allows. Halved and tried again when memory runs out.
        engine: `padded`, `continuous` (transformers' continuous batching, for GPUs) or `auto`; None takes the model's. The texts are the
            same.
        on_progress: called as rows finish.
        on_row: called with each row as it finishes, in any order, so that a caller can save it.

    Raises:
        ModelError: a request or intervention does not fit the model (before anything is generated), a configuration with edits
            steered no token, or memory does not suffice for one row.
        ConfigError: a request names an unknown intervention, or the engine is unknown.
    """
    if batch_size is not None and batch_size < 1:
        raise ModelError(f"batch_size {batch_size}: expected at least 1, or None for what memory allows")
    if not requests:
        return []
    rows = prepare(model, requests, interventions, sampling)
    longest = max(len(prompt) for prompt in rows.prompts) + sampling.max_new_tokens
    capacity = batch_size or fitting_rows(model, longest)
    finished: dict[int, GeneratedRow] = {}
    tokens = 0

    def finish(run: Run, capacity: int, waiting: list[int]) -> None:
        nonlocal tokens
        with closing(run(capacity, waiting)) as records:
            for row, record in records:
                finished[row] = record
                tokens += record.n_tokens
                if on_row:
                    on_row(record)
                if on_progress:
                    on_progress(len(finished), len(requests), tokens)

    with torch.inference_mode(), running(engine or model.engine, model, rows, sampling) as run:
        while len(finished) < len(requests):
            waiting = [row for row in rows.order if row not in finished]
            at_once = min(capacity, len(waiting))
            if not fits(partial(finish, run, capacity, waiting), at_once, f"model {model.name!r}", model.device):
                capacity = at_once // 2
    _check_steered(rows, finished)
    return [finished[row] for row in range(len(requests))]


def _check_steered(rows: Prepared, finished: Mapping[int, GeneratedRow]) -> None:
    steered = {int(number): 0 for number in rows.number if number}
    for row, record in finished.items():
        if rows.number[row]:
            steered[int(rows.number[row])] += record.steered_tokens
    for number, count in steered.items():
        if count == 0:
            raise ModelError(
                f"configuration {rows.names[number - 1]!r} steered no token in {int((rows.number == number).sum())} rows; "
                "its texts are those of the unsteered model, so they are not returned: check layer, strength and scope"
            )
