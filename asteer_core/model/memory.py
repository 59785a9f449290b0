"""How many rows fit: a batch size from free memory, and what to do where memory ran out all the same."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from asteer_core.errors import ModelError
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


def fits(work: Callable[[], None], rows: int, who: str, device: torch.device) -> bool:
    """Return whether memory sufficed for `work` over so many rows. Where it did not, it is free again for an attempt with fewer.

    Args:
        work: what is attempted.
        rows: how many rows it takes at a time.
        who: whose rows they are, such as `model 'llama-3m'`.
        device: where they are.

    Raises:
        ModelError: memory did not suffice for a single row.
    """
    try:
        work()
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if rows == 1:
            raise ModelError(
                f"{who}: memory does not suffice for a single row on {device} ({error}); use shorter texts, a smaller dtype, "
                "quantisation, or another device"
            ) from error
    # Not inside the handler: there the error still holds the frames, and with them the tensors.
    release_memory()
    return False


def release_memory() -> None:
    """Give unused memory back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
