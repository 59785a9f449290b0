"""Reading activations: pooled over tokens of prompt-response pairs or of prompts, and the size of the residual stream.

Sums run in float64 where the device has it, and never include padding or the beginning-of-sequence token. What does not belong here:
what becomes of activations (`asteer_core.methods`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair
from asteer_core.model.sequences import Batch, Progress, check_lengths, each_batch, whole
from asteer_core.model.sites import attach, width_at
from asteer_core.types import GenerationRequest, Positions, Sampling, Site, row_stream

Reader = Callable[[int, torch.Tensor, Batch], None]
"""Called with a block, its activations [row, token, width], and the batch; again for a row whose first batch did not fit into memory."""


class _LastBlockRead(Exception):
    """Ends a forward pass at the deepest block that is wanted; the rest of the model would be wasted."""


def capture(
    model: LanguageModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    blocks: Sequence[int],
    positions: Positions = "mean",
    *,
    site: Site = "block_output",
    systems: Sequence[str | None] | None = None,
    on_progress: Progress | None = None,
) -> dict[int, np.ndarray]:
    """Return one activation per row and block, float32 [row, width].

    At the site `block_output` that is the output of block b, `hidden_states[b + 1]` of transformers, of width d_model.

    Args:
        model: the model to read.
        prompts: what was asked, one per row.
        responses: what was answered, one per row.
        blocks: decoder blocks from 0.
        positions: `mean` over completion tokens, `last` completion token, or `all` tokens after BOS.
        site: where in a block.
        systems: system message per row, if any.
        on_progress: called with rows done and rows in all.

    Raises:
        ModelError: unknown block, a block without that site, empty prompt or response, or a pair longer than the context.
    """
    if len(prompts) != len(responses):
        raise ModelError(f"capture: {len(prompts)} prompts but {len(responses)} responses; row i of both must belong together")
    pairs = model.prompter.encode_pairs(list(prompts), list(responses), row_systems(systems, len(prompts)))
    for row, pair in enumerate(pairs):
        if len(pair.ids) == pair.start:
            raise ModelError(f"capture, row {row}: the response has no tokens; an activation over no tokens is undefined")
    weights = [weights_of(pair, positions) for pair in pairs]
    return pooled(model, [pair.ids for pair in pairs], weights, blocks, on_progress, site)


def capture_prompts(
    model: LanguageModel, prompts: Sequence[str], blocks: Sequence[int], on_progress: Progress | None = None
) -> dict[int, np.ndarray]:
    """Return the mean block output over each prompt's tokens after BOS, float32 [row, d_model]: what a `Gate` compares.

    Raises:
        ModelError: unknown block, empty prompt, or a prompt longer than the context.
    """
    sequences = model.prompter.encode(list(prompts), [None] * len(prompts))
    return pooled(model, sequences, [after_bos(model, ids) for ids in sequences], blocks, on_progress)


def after_bos(model: LanguageModel, ids: list[int]) -> np.ndarray:
    """Return the weights of a mean over a prompt's tokens after BOS (all of a prompt that is BOS alone), float64 [token]."""
    first = model.prompter.leading_bos(ids) if len(ids) > 1 else 0
    weights = np.zeros(len(ids))
    weights[first:] = 1.0 / (len(ids) - first)
    return weights


def pooled(
    model: LanguageModel,
    sequences: Sequence[list[int]],
    weights: Sequence[np.ndarray],
    blocks: Sequence[int],
    on_progress: Progress | None = None,
    site: Site = "block_output",
) -> dict[int, np.ndarray]:
    """Return weighted sums of activations over tokens, float32 [row, width] by block; `weights[row]` is float64 [token]."""
    model.check_blocks(blocks)
    result = {block: np.zeros((len(sequences), width_at(model, block, site)), dtype=np.float32) for block in blocks}

    def read(block: int, hidden: torch.Tensor, batch: Batch) -> None:
        padded = np.zeros(batch.ids.shape)
        for place, row in enumerate(batch.rows):
            padded[place, : len(weights[row])] = weights[row]
        wide = _wide(hidden)
        weight = torch.from_numpy(padded).to(wide.device, wide.dtype)
        # Padding has weight 0, but 0 * NaN would spread; it must not be read at all.
        clean = torch.where((weight != 0)[..., None], wide, 0.0)
        result[block][batch.rows] = torch.bmm(weight[:, None, :], clean)[:, 0].float().cpu().numpy()

    read_blocks(model, sequences, blocks, read, on_progress, site)
    return result


def read_blocks(
    model: LanguageModel,
    sequences: Sequence[list[int]],
    blocks: Sequence[int],
    reader: Reader,
    on_progress: Progress | None = None,
    site: Site = "block_output",
) -> None:
    """Run every sequence once and hand the activations of `blocks` to `reader`.

    Raises:
        ModelError: unknown block, a block without that site, a sequence longer than the context, or memory does not suffice for one.
    """
    if not len(blocks):
        return
    model.check_blocks(blocks)
    check_lengths(model, [len(row) for row in sequences], "row")
    current: list[Batch] = []

    def visit(block: int) -> Callable[[torch.Tensor], None]:
        def read(hidden: torch.Tensor) -> None:
            reader(block, hidden, current[-1])
            if block == max(blocks):
                raise _LastBlockRead

        return read

    def run(batch: Batch) -> None:
        current[:] = [batch]
        with contextlib.suppress(_LastBlockRead):
            whole(model, batch)

    handles: list[Any] = []
    try:
        handles += [attach(model, block, site, visit(block)) for block in blocks]
        with torch.inference_mode():
            each_batch(model, sequences, run, on_progress)
    finally:
        for handle in handles:
            handle.remove()


def residual_scale(
    model: LanguageModel,
    prompts: Sequence[str],
    blocks: Sequence[int],
    sampling: Sampling | None = None,
    *,
    responses: Sequence[str] | None = None,
    systems: Sequence[str | None] | None = None,
    seed: int = 0,
) -> dict[int, float]:
    """Return the median ||h|| at each block over the completion tokens of unsteered generations, in activation units.

    Generates one response per prompt with `sampling` unless `responses` (unsteered ones) are given.

    Raises:
        ModelError: no response has a token, so the scale is undefined.
    """
    if responses is None:
        from asteer_core.model.engine import generate
        from asteer_core.types import Intervention

        kept = row_systems(systems, len(prompts))
        requests = [
            GenerationRequest(str(row), prompt, "unsteered", row_stream("residual-scale", str(row), 0, seed), kept[row])
            for row, prompt in enumerate(prompts)
        ]
        responses = [row.text for row in generate(model, requests, {"unsteered": Intervention()}, sampling or Sampling())]
    pairs = model.prompter.encode_pairs(list(prompts), list(responses), row_systems(systems, len(prompts)))
    pairs = [pair for pair in pairs if len(pair.ids) > pair.start]
    if not pairs:
        raise ModelError(f"{model.name}: no generated token to measure the residual scale on; give more prompts or a larger max_new_tokens")
    norms: dict[int, dict[int, np.ndarray]] = {block: {} for block in blocks}

    def read(block: int, hidden: torch.Tensor, batch: Batch) -> None:
        size = torch.linalg.vector_norm(_wide(hidden), dim=-1).cpu().double().numpy()
        norms[block] |= {row: size[place, pairs[row].start : len(pairs[row].ids)] for place, row in enumerate(batch.rows)}

    read_blocks(model, [pair.ids for pair in pairs], blocks, read)
    return {block: float(np.median(np.concatenate(list(sizes.values())))) for block, sizes in norms.items()}


def weights_of(pair: TokenPair, positions: Positions) -> np.ndarray:
    """Return the weight of each token of a pair in the mean over `positions`, float64 [token].

    Raises:
        ModelError: unknown positions.
    """
    weights = np.zeros(len(pair.ids))
    if positions == "last":
        weights[-1] = 1.0
    elif positions in ("mean", "all"):
        first = pair.start if positions == "mean" else pair.bos
        weights[first:] = 1.0 / (len(pair.ids) - first)
    else:
        raise ModelError(f"unknown positions {positions!r}; expected mean, last or all")
    return weights


def _wide(hidden: torch.Tensor) -> torch.Tensor:
    # MPS has no float64, so sums are made on the host there.
    return (hidden.cpu() if hidden.device.type == "mps" else hidden).double()


def row_systems(systems: Sequence[str | None] | None, rows: int) -> list[str | None]:
    """Return one system message (or None) per row.

    Raises:
        ModelError: their number differs from the number of rows.
    """
    if systems is not None and len(systems) != rows:
        raise ModelError(f"got {len(systems)} system messages for {rows} prompts; give one (or None) per prompt")
    return list(systems) if systems is not None else [None] * rows
