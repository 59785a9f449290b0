"""Forward passes over whole sequences: length-sorted, right-padded batches, and the one call that every pass goes through.

Padding stands on the right, behind everything a causal model looks at, and is masked as well. What does not belong here: what is done
with activations (`activations.py`) or logits (`scoring.py`), and step-by-step generation (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.memory import fits

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a list of sequences: their numbers, ids and validity (bool), both [row, token]."""

    rows: list[int]
    ids: torch.Tensor
    valid: torch.Tensor


def pad_right(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids (padded with 0, a valid id everywhere) and validity, both [row, token]."""
    lengths = torch.tensor([len(row) for row in sequences])
    width = int(lengths.max())
    ids = torch.tensor([[*row, *([0] * (width - len(row)))] for row in sequences], dtype=torch.long)
    return ids.to(device), (torch.arange(width)[None, :] < lengths[:, None]).to(device)


def each_batch(
    model: LanguageModel,
    sequences: Sequence[Sequence[int]],
    work: Callable[[Batch], None],
    on_progress: Progress | None = None,
    *,
    max_tokens: int = 8192,
    max_rows: int = 256,
) -> None:
    """Call `work` with all sequences in length-sorted, right-padded batches of at most `max_tokens` tokens, padding included.

    Where memory runs out, the rows of that batch come again, in batches of half the size from there on: what `work` keeps of a row must
    replace what it kept of it before.

    Raises:
        ModelError: memory does not suffice for a single row.
    """
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]), reverse=True)

    def attempt(rows: list[int]) -> None:
        work(Batch(rows, *pad_right([sequences[row] for row in rows], model.device)))

    done = 0
    while done < len(order):
        width = max(1, len(sequences[order[done]]))
        rows = order[done : done + max(1, min(max_rows, max_tokens // width))]
        if not fits(partial(attempt, rows), len(rows), f"model {model.name!r}", model.device):
            max_tokens = len(rows) // 2 * width
            continue
        done += len(rows)
        if on_progress:
            on_progress(done, len(order))


def call(
    model: LanguageModel,
    ids: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    positions: torch.Tensor | None = None,
    cache: Any = None,
    last_only: bool = False,
) -> torch.Tensor:
    """Return the logits, [row, token, vocabulary] (only the last token's where `last_only` and the model can).

    `mask` is 2-D, True where a token may be attended to, over the cached and the new tokens. `positions` are explicit position ids.
    """
    arguments: dict[str, Any] = {"input_ids": ids, "use_cache": cache is not None}
    if mask is not None:
        arguments["attention_mask"] = mask
    if positions is not None and "position_ids" in model.takes:
        arguments["position_ids"] = positions
    if cache is not None and model.cache_argument is not None:
        arguments[model.cache_argument] = cache
    if last_only and "logits_to_keep" in model.takes:
        arguments["logits_to_keep"] = 1
    return model.module(**arguments).logits


def whole(model: LanguageModel, batch: Batch) -> torch.Tensor:
    """Return the logits of a right-padded batch, [row, token, vocabulary]."""
    positions = torch.arange(batch.ids.shape[1], device=batch.ids.device)[None].expand(batch.ids.shape)
    return call(model, batch.ids, mask=None if bool(batch.valid.all()) else batch.valid, positions=positions)


def check_lengths(model: LanguageModel, lengths: Sequence[int], what: str) -> None:
    """Raise unless every sequence fits the model's context.

    Raises:
        ModelError: a sequence is too long; the message names the row.
    """
    if model.context_length is None:
        return
    for row, length in enumerate(lengths):
        if length > model.context_length:
            raise ModelError(
                f"{what} {row}: {length} tokens do not fit the context of {model.name!r} ({model.context_length} tokens); shorten the text"
            )
