"""Steering where the tokens of many rows are packed into one sequence: hooks that map every token to its row.

Everything the hooks read lies in the buffers that transformers' continuous batching hands to the model, and every step is a tensor
operation, so that a captured CUDA graph replays them with new contents. What does not belong here: the algebra of edits (`edits.py`),
drawing (`packed_drawing.py`), scheduling (`continuous.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch

from asteer_core.errors import ModelError
from asteer_core.model.edits import Place, tabulate
from asteer_core.model.loading import LanguageModel
from asteer_core.model.preparation import Prepared
from asteer_core.model.sites import attach

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
    """Hooks on the model and at the places that some configuration edits, for the length of a `with` statement.

    `guarded`: attention looks at all rows at once and hides the others by a mask, so that a NaN of one row would reach them all
    (0 * NaN is NaN). Values that are not finite are then replaced by zeros after every block, and the row is marked.
    """

    def __init__(self, model: LanguageModel, rows: Prepared, tally: PackedTally, *, guarded: bool) -> None:
        self._model, self._tally, self._guarded = model, tally, guarded
        self._tables = tabulate(rows.interventions)
        self._handles: list[Any] = []
        self._number = self._row = self._step = self._reached = torch.zeros(0, dtype=torch.long)

    def __enter__(self) -> Self:
        self._model.check_blocks(block for block, _ in self._tables)
        module = self._model.module
        # Before any hook: to find the blocks, the model is run.
        outputs: list[Place] = [(block, "block_output") for block in range(self._model.n_blocks)] if self._guarded else []
        try:
            self._handles = [module.register_forward_pre_hook(self._locate, with_kwargs=True), module.register_forward_hook(self._count)]
            for place in dict.fromkeys((*outputs, *self._tables)):
                self._handles.append(attach(self._model, *place, self._rewrite(place)))
            for tables in self._tables.values():
                tables.to(self._model.device)
        except BaseException:
            # Whoever fails to enter a `with` statement is not asked to leave it.
            self.__exit__(None, None, None)
            raise
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

    def _rewrite(self, place: Place) -> Callable[[torch.Tensor], torch.Tensor]:
        def rewrite(hidden: torch.Tensor) -> torch.Tensor:
            if hidden.dim() != 3 or hidden.shape[0] != 1:
                raise ModelError(
                    f"{self._model.name}: block {place[0]} gave {tuple(hidden.shape)}; expected one packed sequence [1, token, width]"
                )
            edited = self._edit(place, hidden[0])
            return (self._guard(edited) if self._guarded and place[1] == "block_output" else edited)[None]

        return rewrite

    def _edit(self, place: Place, hidden: torch.Tensor) -> torch.Tensor:
        if place not in self._tables:
            return hidden
        tables = self._tables[place]
        entry = tables.entry_of[self._number]
        before, touched = hidden.float(), entry > 0
        after = tables.apply(before[:, None], entry)[:, 0].to(hidden.dtype)
        hidden = torch.where(touched[:, None], after, hidden)
        moved = torch.linalg.vector_norm(hidden.float() - before, dim=-1)
        size = torch.linalg.vector_norm(before, dim=-1)
        self._tally.displacement.index_add_(0, self._row, torch.where(touched & (size > 0), moved / size, 0.0))
        self._tally.edits.index_add_(0, self._row, touched.float())
        self._reached = self._reached | touched
        return hidden

    def _guard(self, hidden: torch.Tensor) -> torch.Tensor:
        sound = torch.isfinite(hidden).all(-1)
        self._tally.broken.scatter_reduce_(0, self._row, torch.where(sound, NEVER, self._step), "amin")
        return torch.where(sound[:, None], hidden, 0.0)
