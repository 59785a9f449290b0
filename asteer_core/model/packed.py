"""Steering where the tokens of many rows are packed into one sequence: hooks that map every token to its row.

Everything the hooks read lies in the buffers that transformers' continuous batching hands to the model, and every step is a tensor
operation, so that a captured CUDA graph replays them with new contents. What does not belong here: the algebra of edits (`edits.py`),
drawing (`packed_drawing.py`), scheduling (`continuous.py`).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch

from asteer_core.errors import ModelError
from asteer_core.model.blocks import stream_of
from asteer_core.model.edits import tabulate
from asteer_core.model.loading import LanguageModel
from asteer_core.model.preparation import Prepared

NEVER = 2**31 - 1
"""A position, or a step, that no row reaches."""

NUMBER, FIRST, END, LAST, ROW = range(5)
"""Lines of the arguments, one column per request: configuration number, first steered position, the position where steering ends, the
prompt's last position, and the row."""
LINES = 5


class PackedTally:
    """What happened to each row, [row + 1] (the last entry collects padding).

    `tokens` (int64) were touched by an edit; `displacement` sums ||h' - h|| / ||h|| over `edits` of them; `broken` is the step at which
    the row's numbers stopped being finite (`NEVER`: they did not).
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self.tokens = torch.zeros(rows + 1, dtype=torch.long, device=device)
        self.displacement = torch.zeros(rows + 1, device=device)
        self.edits = torch.zeros(rows + 1, device=device)
        self.broken = torch.full((rows + 1,), NEVER, dtype=torch.int32, device=device)

    def forget(self, row: int) -> None:
        """Set a row back to nothing, because it will be read again from its beginning."""
        self.tokens[row] = self.displacement[row] = self.edits[row] = 0


class PackedSteering:
    """Hooks on the model and on the blocks that some configuration edits, for the length of a `with` statement.

    `guarded`: attention looks at all rows at once and hides the others by a mask, so that a NaN of one row would reach them all
    (0 * NaN is NaN). Values that are not finite are then replaced by zeros after every block, and the row is marked.
    """

    def __init__(self, model: LanguageModel, rows: Prepared, tally: PackedTally, *, guarded: bool) -> None:
        self._model, self._tally, self._guarded = model, tally, guarded
        self._tables = tabulate(rows.interventions, model.d_model)
        self._handles: list[Any] = []
        self._number = self._row = self._step = self._reached = torch.zeros(0, dtype=torch.long)

    def __enter__(self) -> Self:
        self._model.check_blocks(self._tables)
        module = self._model.module
        self._handles = [module.register_forward_pre_hook(self._locate, with_kwargs=True), module.register_forward_hook(self._count)]
        for block in range(self._model.n_blocks) if self._guarded else self._tables:
            self._handles.append(self._model.blocks[block].register_forward_hook(self._hook(block)))
        for tables in self._tables.values():
            tables.to(self._model.device)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _locate(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        """Find the row, the step and the configuration of every packed token."""
        ends, position, arguments = kwargs["cu_seq_lens_q"], kwargs["position_ids"][0], kwargs["logits_processor_args"]
        place = torch.arange(position.shape[0], dtype=ends.dtype, device=ends.device)
        # Padding lies behind the last request, and requests that only fill the batch up are empty.
        request = torch.searchsorted(ends[1:].contiguous(), place, right=True).clamp(max=ends.shape[0] - 2)
        mine = arguments[:LINES, request]
        real = place < ends[-1]
        steered = real & (position >= mine[FIRST]) & (position < mine[END])
        self._number = torch.where(steered, mine[NUMBER], 0).long()
        self._row = torch.where(real, mine[ROW], len(self._tally.tokens) - 1).long()
        self._step = (position - mine[LAST]).clamp(min=0).to(torch.int32)
        self._reached = torch.zeros_like(steered)

    def _count(self, _module: Any, _args: Any, _output: Any) -> None:
        self._tally.tokens.index_add_(0, self._row, self._reached.long())

    def _hook(self, block: int) -> Any:
        def rewrite(_module: Any, _args: Any, output: Any) -> Any:
            hidden = stream_of(output)
            if hidden is None or hidden.shape[0] != 1:
                shape = type(output).__name__ if hidden is None else tuple(hidden.shape)
                raise ModelError(f"{self._model.name}: block {block} gave {shape}; expected one packed sequence [1, token, d_model]")
            edited = self._edit(block, hidden[0])[None]
            return (edited, *output[1:]) if isinstance(output, tuple | list) else edited

        return rewrite

    def _edit(self, block: int, hidden: torch.Tensor) -> torch.Tensor:
        if block in self._tables:
            tables = self._tables[block]
            entry = tables.entry_of[self._number]
            before, touched = hidden.float(), entry > 0
            after = tables.apply(before[:, None], entry)[:, 0].to(hidden.dtype)
            hidden = torch.where(touched[:, None], after, hidden)
            moved = torch.linalg.vector_norm(hidden.float() - before, dim=-1)
            size = torch.linalg.vector_norm(before, dim=-1)
            self._tally.displacement.index_add_(0, self._row, torch.where(touched & (size > 0), moved / size, 0.0))
            self._tally.edits.index_add_(0, self._row, touched.float())
            self._reached = self._reached | touched
        if self._guarded:
            sound = torch.isfinite(hidden).all(-1)
            self._tally.broken.scatter_reduce_(0, self._row, torch.where(sound, NEVER, self._step), "amin")
            hidden = torch.where(sound[:, None], hidden, 0.0)
        return hidden
