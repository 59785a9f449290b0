"""The hooks: rewriting activations row by row while a model runs, and counting what was really steered.

What does not belong here: the algebra of edits (`edits.py`), batching (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import torch

from asteer_core.model.edits import Place, PlaceTables, tabulate
from asteer_core.model.loading import LanguageModel
from asteer_core.model.sites import attach
from asteer_core.types import Intervention


class Tally:
    """What was steered, per row: tokens touched (int64) and summed ||h' - h|| / ||h|| with its count (float32)."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self.displacement = torch.zeros(rows, device=device)
        self.edits = torch.zeros(rows, device=device)

    def select(self, rows: torch.Tensor) -> Tally:
        """Return the tally of some rows (they may repeat)."""
        chosen = Tally(0, rows.device)
        chosen.tokens, chosen.displacement, chosen.edits = self.tokens[rows], self.displacement[rows], self.edits[rows]
        return chosen

    def join(self, other: Tally) -> Tally:
        """Return both tallies, one behind the other."""
        joined = Tally(0, self.tokens.device)
        joined.tokens = torch.cat([self.tokens, other.tokens])
        joined.displacement = torch.cat([self.displacement, other.displacement])
        joined.edits = torch.cat([self.edits, other.edits])
        return joined


class Steering:
    """Hooks at the places that some configuration edits, for the length of a `with` statement.

    Between `steer` and `release`, every forward pass applies configuration `numbers[row]` (0: none) to row `row`, at the tokens named
    by `where`. Rows and tokens that are not named keep their bits. The hooks are gone when the `with` statement ends, whatever happens.
    """

    def __init__(self, model: LanguageModel, interventions: Sequence[Intervention]) -> None:
        self._model = model
        self._tables = tabulate(interventions)
        self._touches = torch.zeros(len(interventions) + 1, dtype=torch.bool)
        for tables in self._tables.values():
            self._touches |= tables.entry_of > 0
        self._placed: set[Place] = set()
        self._handles: list[Any] = []
        self._entries: dict[Place, torch.Tensor] = {}
        self._where: torch.Tensor | None = None
        self._tally: Tally | None = None
        self._reached: torch.Tensor | None = None

    @property
    def touches(self) -> torch.Tensor:
        """Which configuration numbers edit anything at all, bool [number] (on the host)."""
        return self._touches

    def __enter__(self) -> Self:
        self._model.check_blocks(block for block, _ in self._tables)
        try:
            for place in self._tables:
                self._handles.append(attach(self._model, *place, self._rewrite(place)))
        except BaseException:
            # Whoever fails to enter a `with` statement is not asked to leave it.
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._handles:
            self._handles.pop().remove()
        self.release()

    def choose(self, numbers: torch.Tensor) -> None:
        """Set which configuration acts on which row of the coming passes; `numbers` int64 [row]."""
        here = numbers.cpu()
        self._entries = {}
        for place, tables in self._tables.items():
            entry = tables.entry_of.to(here.device)[here]
            if bool((entry > 0).any()):
                self._entries[place] = entry

    def steer(self, where: torch.Tensor | None, tally: Tally) -> None:
        """Switch the chosen edits on at the tokens named by `where` (bool [row, token]; None: every token), counting into `tally`."""
        self._where, self._tally = where, tally

    def release(self) -> None:
        """Switch all edits off, and count the tokens that the passes since `steer` really touched."""
        if self._tally is not None and self._reached is not None:
            self._tally.tokens += self._reached.sum(1)
        self._tally = self._reached = None

    def _rewrite(self, place: Place) -> Callable[[torch.Tensor], torch.Tensor | None]:
        def rewrite(hidden: torch.Tensor) -> torch.Tensor | None:
            entry = self._entries.get(place)
            if self._tally is None or entry is None:
                return None
            if place not in self._placed:
                self._tables[place].to(hidden.device)
                self._placed.add(place)
            entry = self._entries[place] = entry.to(hidden.device)
            return self._edit(self._tables[place], hidden, entry, self._tally)

        return rewrite

    def _edit(self, tables: PlaceTables, hidden: torch.Tensor, entry: torch.Tensor, tally: Tally) -> torch.Tensor:
        before = hidden.float()
        after = tables.apply(before, entry).to(hidden.dtype)
        touched = (entry > 0)[:, None].expand(hidden.shape[:2])
        if self._where is not None:
            touched = touched & self._where.to(hidden.device)
        home = touched.to(tally.tokens.device)
        self._reached = home if self._reached is None else self._reached | home
        edited = torch.where(touched[..., None], after, hidden)
        moved = torch.linalg.vector_norm(edited.float() - before, dim=-1)
        size = torch.linalg.vector_norm(before, dim=-1)
        share = torch.where(touched & (size > 0), moved / size, 0.0)
        tally.displacement += share.sum(1).to(tally.displacement.device)
        tally.edits += home.sum(1)
        return edited
