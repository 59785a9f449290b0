"""Sentence vectors from a loaded encoder in batches of equal token budget, in bfloat16 where the CPU computes it natively.

What does not belong here: which encoder, its verification, or its door (`encoder.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from asteer_core.model.memory import fits

CPU_TOKENS = 512
"""Tokens of a batch on a CPU, padding included: its activations stay in the caches of a core."""
GPU_TOKENS = 32_768
MULTIPLE = 8
"""Lengths are padded to multiples of this, so that the kernels of a shape are prepared once."""


def native_bfloat16(device: torch.device) -> bool:
    """Return whether matrix products in bfloat16 are faster than in float32 on `device`: CPUs that have the instructions."""
    supported = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(known() for known in supported if known is not None)


def by_tokens(lengths: Sequence[int], budget: int, multiple: int = MULTIPLE) -> list[list[int]]:
    """Return row numbers in batches, longest first: as many rows as fit `budget` tokens at the padded length of the first."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches, start = [], 0
    while start < len(order):
        count = max(1, budget // padded(lengths[order[start]], multiple))
        batches.append(order[start : start + count])
        start += count
    return batches


def padded(length: int, multiple: int = MULTIPLE) -> int:
    """Return the length that `length` tokens take in a batch."""
    return -(-length // multiple) * multiple


class SentenceBatches:
    """The transformer and tokenizer of a mean-pooling sentence encoder, as one function from texts to unit vectors.

    Args:
        model: a `SentenceTransformer` whose modules are a transformer, mean pooling and normalisation.
        dtype: of the computation; by default bfloat16 where the CPU computes it natively, else float32. Pooling is in float32.
    """

    def __init__(self, model: Any, dtype: torch.dtype | None = None) -> None:
        self.device = torch.device(model.device)
        self.dtype = dtype or (torch.bfloat16 if native_bfloat16(self.device) else torch.float32)
        self._transformer = model[0].auto_model.to(self.dtype).eval()
        self._tokenizer = model.tokenizer
        self._longest = int(model.max_seq_length)
        self._budget = CPU_TOKENS if self.device.type == "cpu" else GPU_TOKENS

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return one unit vector per text, float32 [text, d_embed].

        Raises:
            ModelError: memory does not suffice for a single text.
        """
        tokens = self._tokenizer(list(texts), truncation=True, max_length=self._longest, padding=False)["input_ids"]
        return self._by_batch(tokens, MULTIPLE, lambda pooled: torch.nn.functional.normalize(pooled, dim=1))

    def pool(self, tokens: Sequence[list[int]]) -> np.ndarray:
        """Return the mean-pooled vector, of any norm, of each sequence of token ids as it stands, float32 [sequence, d_embed].

        Raises:
            ModelError: memory does not suffice for a single sequence.
        """
        return self._by_batch(tokens, 1, lambda pooled: pooled)

    def _by_batch(self, tokens: Sequence[list[int]], multiple: int, finish: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        vectors = np.zeros((len(tokens), int(self._transformer.config.hidden_size)), dtype=np.float32)

        def encode(rows: list[int]) -> None:
            vectors[rows] = finish(self._pooled([tokens[row] for row in rows], multiple)).cpu().numpy()

        waiting = by_tokens([len(one) for one in tokens], self._budget, multiple)[::-1]
        with torch.inference_mode():
            while waiting:
                rows = waiting.pop()
                if not fits(partial(encode, rows), len(rows), "the sentence encoder", self.device):
                    half = len(rows) // 2
                    waiting += [rows[half:], rows[:half]]
        return vectors

    def _pooled(self, tokens: list[list[int]], multiple: int) -> torch.Tensor:
        width = padded(max(map(len, tokens)), multiple)
        ids = np.full((len(tokens), width), self._tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(tokens), width), dtype=np.int64)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        attended = torch.from_numpy(mask).to(self.device)
        hidden = self._transformer(input_ids=torch.from_numpy(ids).to(self.device), attention_mask=attended).last_hidden_state.float()
        return (hidden * attended[..., None]).sum(1) / attended.sum(1, keepdim=True)
