"""Finding the decoder blocks of a model by what they do, not by what its author called them.

A stack of blocks is a module list whose members run once each, in order, and hand the residual stream from one to the next. What does
not belong here: anything that reads or edits activations.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from asteer_core.errors import ModelError


def stream_of(output: Any) -> torch.Tensor | None:
    """Return the hidden states in a block's output, which is a tensor or a tuple that begins with one (None: neither)."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, torch.Tensor) else None


def find_blocks(module: nn.Module, width: int, n_layers: int | None = None) -> list[nn.Module]:
    """Return the decoder blocks in order, found by watching one forward pass over four tokens.

    Args:
        module: a causal language model.
        width: d_model, the width of the residual stream.
        n_layers: the number of blocks its configuration names, used where several stacks qualify.

    Raises:
        ModelError: no module list, or more than one, behaves as a stack of decoder blocks; the message lists what was seen.
    """
    lists = {name: list(item) for name, item in module.named_modules() if isinstance(item, nn.ModuleList) and len(item)}
    trace = _watch(module, {block for blocks in lists.values() for block in blocks})
    stacks = {name: blocks for name, blocks in lists.items() if _is_stack(blocks, trace, width)}
    if len(stacks) > 1 and n_layers is not None:
        stacks = {name: blocks for name, blocks in stacks.items() if len(blocks) == n_layers} or stacks
    if len(stacks) != 1:
        seen = ", ".join(f"{name} ({len(blocks)} x {type(blocks[0]).__name__})" for name, blocks in lists.items()) or "no module list"
        found = f"{len(stacks)} stacks qualify ({', '.join(stacks)})" if stacks else "none qualifies"
        raise ModelError(
            f"{type(module).__name__}: cannot tell the decoder blocks: {found}; expected one module list of {n_layers or 'n'} blocks that "
            f"run in order and hand on hidden states of width {width}. Seen: {seen}. Use a decoder-only model whose blocks form one list."
        )
    return next(iter(stacks.values()))


class _Call:
    """What one module received and gave back."""

    def __init__(self, order: int, received: torch.Tensor | None, gave: torch.Tensor | None) -> None:
        self.order, self.received, self.gave = order, received, gave


def _watch(module: nn.Module, watched: set[nn.Module]) -> dict[nn.Module, list[_Call]]:
    trace: dict[nn.Module, list[_Call]] = {}
    counter = iter(range(10**9))

    def note(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        received = args[0] if args else kwargs.get("hidden_states")
        trace.setdefault(block, []).append(_Call(next(counter), stream_of(received), stream_of(output)))

    handles = [block.register_forward_hook(note, with_kwargs=True) for block in watched]
    try:
        device = module.get_input_embeddings().weight.device  # type: ignore[operator]
        with torch.inference_mode():
            module(input_ids=torch.arange(4, device=device)[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return trace


def _is_stack(blocks: list[nn.Module], trace: dict[nn.Module, list[_Call]], width: int) -> bool:
    calls = [trace.get(block, []) for block in blocks]
    # A module may be shared between entries of the list; then it runs once per entry.
    if any(len(seen) != blocks.count(block) for seen, block in zip(calls, blocks, strict=True)):
        return False
    if len(set(map(id, blocks))) != len(blocks):
        return False
    runs = [seen[0] for seen in calls]
    shapes = all(run.gave is not None and run.gave.shape == (1, 4, width) for run in runs)
    if not shapes or [run.order for run in runs] != sorted(run.order for run in runs):
        return False
    return all(
        after.received is not None and before.gave is not None and _same(before.gave, after.received)
        for before, after in itertools.pairwise(runs)
    )


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.shape == right.shape and torch.equal(left, right.to(left.device))
