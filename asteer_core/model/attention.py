"""Attention of one new token per row over its cached keys, on a CPU: two batched products instead of the general kernel.

The kernel behind `scaled_dot_product_attention` is made for many queries. For one query it took two to four times as long as the
products themselves, as long as the cache is one contiguous block (`cache.py` sees to that). What does not belong here: caches, masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from asteer_core.model.loading import LanguageModel

NAME = "asteer_one_query"
"""The name under which transformers finds this attention."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention's output, [row, token, head, head_dim], as transformers' `sdpa` does, which serves all but single queries.

    Args:
        query: [row, head, token, head_dim].
        key, value: [row, key head, column, head_dim].
        attention_mask: bool [row, 1, token, column], True where a query may look; one shared by all heads.
    """
    rows, heads, tokens, width = query.shape
    plain = attention_mask is not None and attention_mask.dtype == torch.bool and attention_mask.shape[1] == 1 and dropout == 0.0
    special = any(rest.get(name) is not None for name in ("position_bias", "softcap", "s_aux"))
    if tokens != 1 or not plain or special or attention_mask is None or not key.is_contiguous() or not value.is_contiguous():
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **rest)
    groups = key.shape[1]
    scale = width**-0.5 if scaling is None else scaling
    # Heads that share a key head are the rows of one product.
    together = (query * scale).reshape(rows * groups, heads // groups, width)
    scores = torch.bmm(together, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, 1, -1)
    weights = torch.softmax(scores.masked_fill_(~attention_mask, -torch.inf), dim=-1)
    mixed = torch.bmm(weights.view(rows * groups, heads // groups, -1), value.flatten(0, 1))
    return mixed.view(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def one_query_attention(model: LanguageModel) -> Iterator[None]:
    """Let a model on a CPU use this attention for the length of a `with` statement, where it would use `sdpa`."""
    module = model.module
    if model.device.type != "cpu" or model.dtype != torch.float32 or model.config._attn_implementation != "sdpa":
        yield
        return
    before = module.config._attn_implementation
    module.set_attn_implementation(NAME)
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def is_used(model: LanguageModel) -> bool:
    """Return whether the model attends this way now."""
    return model.config._attn_implementation == NAME
