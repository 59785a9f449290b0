"""The sites in a block where activations are read and edited, and the hooks that reach them.

The output projection of attention is found by what it does: disturb the first token of a block's input, and the first linear map whose
input changes at a later token is the one behind the attention. What does not belong here: what is done with activations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from asteer_core.errors import ModelError
from asteer_core.model.blocks import stream_of
from asteer_core.model.loading import LanguageModel
from asteer_core.model.sequences import call
from asteer_core.types import Site

_TOKENS = 6
"""Far enough apart that a short convolution does not carry the first token to the last, near enough for a sliding window."""

Visit = Callable[[torch.Tensor], torch.Tensor | None]
"""Called with activations [row, token, width]; returns what takes their place (None: they stay)."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention heads of one block: `projection` receives their joined output, [row, token, count * dim]."""

    projection: nn.Module
    count: int
    dim: int


def attach(model: LanguageModel, block: int, site: Site, visit: Visit) -> Any:
    """Return the handle of a hook that shows `visit` the activations of one site in every forward pass; `remove()` ends it.

    Raises:
        ModelError: the block has no such site.
    """
    if site == "block_output":
        return model.blocks[block].register_forward_hook(_after(model, block, visit))

    def before(_module: Any, args: tuple[Any, ...]) -> Any:
        edited = visit(args[0])
        return None if edited is None else (edited, *args[1:])

    return heads_of(model, block).projection.register_forward_pre_hook(before)


def width_at(model: LanguageModel, block: int, site: Site) -> int:
    """Return how wide activations are at a site.

    Raises:
        ModelError: the block has no such site.
    """
    if site == "block_output":
        return model.d_model
    heads = heads_of(model, block)
    return heads.count * heads.dim


def heads_of(model: LanguageModel, block: int) -> Heads:
    """Return the attention heads of a block, found once per model.

    Raises:
        ModelError: the model has no separable heads there.
    """
    if block not in model.heads:
        model.check_blocks([block])
        model.heads[block] = _find(model, block)
    return model.heads[block]


def head_writing(model: LanguageModel, block: int) -> torch.Tensor:
    """Return what each coordinate of the heads' output adds to the attention's output, float32 [d_model, heads * head_dim], on the host."""
    projection, width = heads_of(model, block).projection, width_at(model, block, "attention_heads")
    weight = next(projection.parameters())
    # By its answers, since a quantised weight or a transposed one (GPT-2) is not the matrix it stands for.
    probe = torch.eye(width, device=weight.device, dtype=model.dtype)
    with torch.inference_mode():
        answers = projection(probe[None])[0].float() - projection(torch.zeros_like(probe[:1])[None])[0].float()
    return answers.T.contiguous().cpu()


def _after(model: LanguageModel, block: int, visit: Visit) -> Callable[..., Any]:
    def after(_module: Any, _args: Any, output: Any) -> Any:
        hidden = stream_of(output)
        if hidden is None:
            raise ModelError(f"{model.name}: block {block} gave {type(output).__name__}; expected hidden states first")
        edited = visit(hidden)
        if edited is None:
            return None
        return (edited, *output[1:]) if isinstance(output, tuple | list) else edited

    return after


def _find(model: LanguageModel, block: int) -> Heads:
    where = f"model {model.name!r} has no separable attention heads at layer {block}"
    count = getattr(model.config, "num_attention_heads", None)
    if not isinstance(count, int) or count < 1:
        raise ModelError(f"{where}: its configuration names no num_attention_heads; choose a method that edits block outputs, such as caa")
    plain, disturbed = (_linear_inputs(model, block, disturb) for disturb in (False, True))
    for (projection, before), (_, after) in zip(plain, disturbed, strict=False):
        if not torch.equal(before[:, -1], after[:, -1]):
            width = before.shape[-1]
            dim = getattr(model.config, "v_head_dim", None) or getattr(model.config, "head_dim", None) or model.d_model // count
            if width != count * dim:
                raise ModelError(f"{where}: the output projection receives width {width}, which is not {count} heads of {dim}")
            return Heads(projection, count, dim)
    raise ModelError(
        f"{where}: no linear map behind an attention was seen (the block may be a convolution or a state-space model); "
        "choose another layer, or a method that edits block outputs, such as caa"
    )


def _linear_inputs(model: LanguageModel, block: int, disturb: bool) -> list[tuple[nn.Module, torch.Tensor]]:
    """Return the block's maps to the residual width with what each received, in the order of their calls."""
    seen: list[tuple[nn.Module, torch.Tensor]] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        taken = args[0] if args else None
        if not (isinstance(taken, torch.Tensor) and isinstance(output, torch.Tensor) and taken.dim() == 3):
            return
        if taken.shape[:2] == (1, _TOKENS) and output.shape == (1, _TOKENS, model.d_model):
            seen.append((module, taken.float().cpu()))

    def shift(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        moved = hidden.clone()
        # Alternating, so that a norm that subtracts the mean does not undo it.
        moved[:, 0, ::2] += 1 + hidden.abs().max()
        return ((moved, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": moved})

    target = model.blocks[block]
    maps = [item for item in target.modules() if not any(item.children()) and _is_map(item)]
    handles = [item.register_forward_hook(note) for item in maps]
    if disturb:
        handles.append(target.register_forward_pre_hook(shift, with_kwargs=True))
    try:
        ids = torch.arange(_TOKENS, device=model.device)[None]
        with torch.inference_mode():
            call(model, ids, positions=ids)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _is_map(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, torch.Tensor) and weight.dim() == 2
