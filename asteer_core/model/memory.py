"""How many rows fit: a batch size from free memory, and recognising that memory ran out."""

from __future__ import annotations

import gc

import torch

from asteer_core.model.loading import LanguageModel

CPU_ROWS = 512
"""On a CPU larger batches gain nothing, and memory is rarely the limit."""
_MOST_ROWS = 4096
_SHARE = 0.7
"""The share of free memory that a batch may take; the rest is for activations and fragmentation."""


def fitting_rows(model: LanguageModel, tokens: int) -> int:
    """Return how many rows of `tokens` tokens (prompt and answer) a batch may hold on the model's device, at least 1."""
    if model.device.type != "cuda":
        return CPU_ROWS
    free, _ = torch.cuda.mem_get_info(model.device)
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    # Keys and values in two copies while rows are replaced, and logits in float32 in a few copies while tokens are drawn.
    cached = 2 * 2 * config.num_hidden_layers * heads * width * tokens * model.dtype.itemsize
    drawn = 6 * 4 * config.vocab_size
    return int(max(1, min(_MOST_ROWS, _SHARE * free / (cached + drawn))))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out (CUDA, MPS and CPU allocators each say it in their own way)."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
    )


def release_memory() -> None:
    """Give unused memory back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
