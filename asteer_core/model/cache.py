"""Key-value caches of a batch whose rows come and go.

`AlignedCache` serves models of plain and sliding-window attention: all rows end at the same column, so that finished rows can be replaced
by new ones of any length. `NativeCache` serves everything else (state-space, hybrid, shared-key models) through transformers' own cache,
with rows of equal length and no replacement. What does not belong here: choosing rows (`engine.py`).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

from asteer_core.model.attention import is_used
from asteer_core.model.loading import LanguageModel

_ROOM = 16
"""Buffers have a multiple of so many columns, so that a step rarely copies the cache."""


class _AlignedLayer(CacheLayerMixin):
    """Keys and values of one layer in a buffer [row, head, column, head_dim] of which the first `length` columns are in use.

    `whole`: attention sees the whole buffer, which is contiguous, and the mask hides the columns not in use.
    """

    is_sliding = False

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.length = 0
        self.whole = whole

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate buffers that fit the given states."""
        self.keys, self.values = (_buffer(item, self.length).zero_() for item in (key_states, value_states))
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the new tokens' states and return all states in use."""
        end = self.length + key_states.shape[2]
        keys, values = _fitting(self.keys, key_states, self.length, end), _fitting(self.values, value_states, self.length, end)
        keys[:, :, self.length : end] = key_states
        values[:, :, self.length : end] = value_states
        self.keys, self.values, self.length, self.is_initialized = keys, values, end, True
        return (keys, values) if self.whole else (keys[:, :, :end], values[:, :, :end])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the number of columns after the next pass, and the first column (always 0)."""
        return self.width_after(query_length), 0

    def width_after(self, tokens: int) -> int:
        """Return how many columns attention sees in a pass over so many new tokens."""
        return _roomy(self.length + tokens) if self.whole else self.length + tokens

    def get_seq_length(self) -> int:
        """Return the number of columns in use."""
        return self.length

    def get_max_length(self) -> int:
        """Return -1: the buffer grows as needed."""
        return -1


class AlignedCache:
    """Rows that all end at column `length`; row r uses columns `length - lengths[r]` to `length`."""

    refillable = True

    def __init__(self, layers: int, whole: bool = False) -> None:
        self.cache: Cache = Cache(layers=[_AlignedLayer(whole) for _ in range(layers)])

    @property
    def length(self) -> int:
        """The number of columns in use."""
        return self.cache.layers[0].length  # type: ignore[union-attr]

    @property
    def width(self) -> int:
        """How many columns attention sees in the next step."""
        return self.cache.layers[0].width_after(1)  # type: ignore[union-attr]

    @staticmethod
    def prefill_cache(_model: LanguageModel) -> Cache:
        """Return an empty cache for a right-padded pass over prompts."""
        # Without a configuration every layer keeps all columns; a sliding window is the mask's business here.
        return DynamicCache()

    def keep(self, rows: torch.Tensor, columns: int) -> None:
        """Keep the given rows and the last `columns` columns."""
        for layer in self.cache.layers:
            if isinstance(layer, _AlignedLayer) and layer.keys is not None and layer.values is not None:
                first = layer.length - columns
                layer.keys, layer.values = (_cut(item, rows, first, layer.length) for item in (layer.keys, layer.values))
                layer.length = columns

    def add(self, filled: Cache | None, source: torch.Tensor, lengths: torch.Tensor) -> None:
        """Append rows: row i takes the first `lengths[i]` columns of row `source[i]` of a right-padded cache (None: all are empty)."""
        needed = max(self.length, int(lengths.max()))
        for index, layer in enumerate(self.cache.layers):
            if not isinstance(layer, _AlignedLayer):
                continue
            states = filled.layers[index] if filled is not None and index < len(filled.layers) else None
            pairs = [
                (old, None if states is None else _aligned(getattr(states, name), source, lengths, needed))
                for name, old in (("keys", layer.keys), ("values", layer.values))
            ]
            # Rows of one token add no states, and the buffers of an empty batch wait for the first pass to learn their shape.
            if any(item is not None for item in pairs[0]):
                layer.keys, layer.values = (_stacked(old, new, layer.length, needed, len(source)) for old, new in pairs)
            layer.length = needed


class NativeCache:
    """Transformers' own cache; all rows have the same length."""

    refillable = False

    def __init__(self) -> None:
        self.cache: Cache = DynamicCache()
        self.length = 0

    @staticmethod
    def prefill_cache(model: LanguageModel) -> Cache:
        """Return an empty cache shaped by the model's configuration."""
        return DynamicCache(config=model.config)

    def keep(self, rows: torch.Tensor, columns: int) -> None:
        """Keep the given rows."""
        self.cache.reorder_cache(rows.long())  # type: ignore[arg-type]

    def add(self, filled: Cache | None, source: torch.Tensor, lengths: torch.Tensor) -> None:
        """Take over a filled cache, with row i a copy of its row `source[i]`."""
        if filled is None:
            raise ValueError("a native cache is filled by the model, even when that adds no token")
        filled.reorder_cache(source.long())  # type: ignore[arg-type]
        self.cache = filled


def cache_for(model: LanguageModel) -> AlignedCache | NativeCache:
    """Return the cache that serves a model, chosen by the kinds of layer in transformers' own cache for it."""
    try:
        kinds = DynamicCache(config=model.config)
    except Exception:  # a configuration from remote code may lack what transformers asks for
        return NativeCache()
    chunked = "chunked_attention" in (getattr(model.config, "layer_types", None) or ())
    plain = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in kinds.layers)
    return AlignedCache(len(kinds.layers), is_used(model)) if plain and not chunked and "position_ids" in model.takes else NativeCache()


def _roomy(columns: int) -> int:
    return -(-columns // _ROOM) * _ROOM


def _buffer(like: torch.Tensor, columns: int, rows: int | None = None) -> torch.Tensor:
    buffer = like.new_empty(like.shape[0] if rows is None else rows, like.shape[1], _roomy(columns), like.shape[3])
    # Zeros, not empty memory, wherever the caller does not write: a masked column has weight 0, and 0 * NaN is NaN.
    buffer[:, :, columns:] = 0
    return buffer


def _fitting(buffer: torch.Tensor | None, states: torch.Tensor, used: int, end: int) -> torch.Tensor:
    """Return a buffer with at least `end` columns: the given one, or a larger copy of what is used of it."""
    if buffer is not None and end <= buffer.shape[2]:
        return buffer
    larger = _buffer(states, end)
    larger[:, :, :used] = 0 if buffer is None else buffer[:, :, :used]
    return larger


def _cut(buffer: torch.Tensor, rows: torch.Tensor, first: int, end: int) -> torch.Tensor:
    kept = _buffer(buffer, end - first, len(rows))
    kept[:, :, : end - first] = buffer[rows, :, first:end]
    return kept


def _aligned(states: torch.Tensor, source: torch.Tensor, lengths: torch.Tensor, columns: int) -> torch.Tensor:
    """Return rows moved so that each ends at `columns`, [row, head, columns, head_dim]; columns before a row hold finite rubbish."""
    column = torch.arange(columns, device=states.device)[None, :] - (columns - lengths)[:, None]
    return states[source[:, None], :, column.clamp(0, states.shape[2] - 1)].transpose(1, 2)


def _stacked(before: torch.Tensor | None, after: torch.Tensor | None, used: int, columns: int, rows: int) -> torch.Tensor:
    like = before if before is not None else after
    if like is None:
        raise ValueError("nothing to stack")
    old = 0 if before is None else before.shape[0]
    buffer = _buffer(like, columns, old + rows)
    if before is not None:
        buffer[:old, :, : columns - used] = 0
        buffer[:old, :, columns - used : columns] = before[:, :, :used]
    buffer[old:, :, :columns] = 0 if after is None else after
    return buffer
