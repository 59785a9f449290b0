"""Edits as tables: what each configuration does at each block, so that one batch holds rows of many configurations.

Row 0 of every table is "none". The algebra runs on all rows at once, in float32. What does not belong here: hooks (`steering.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.sites import width_at
from asteer_core.types import Add, Affine, Edit, Gate, Intervention, Rotate, Site

Place = tuple[int, Site]
"""A block and the site in it."""


def is_off(edit: Edit) -> bool:
    """Return whether an edit leaves every activation as it is, so that strength 0 installs nothing at all."""
    if isinstance(edit, Add):
        return not np.any(edit.vector)
    return isinstance(edit, Rotate) and edit.fraction == 0.0


def check_interventions(interventions: Mapping[str, Intervention], model: LanguageModel) -> None:
    """Raise unless every edit fits the model.

    Raises:
        ModelError: unknown layer, a site that the layer lacks, wrong width, non-finite values, or a rotation whose plane is not
            orthonormal; names the configuration.
    """
    for name, intervention in interventions.items():
        where = f"configuration {name!r}"
        for edit in (*intervention.edits, *([intervention.gate] if intervention.gate else [])):
            if not 0 <= edit.block < model.n_blocks:
                raise ModelError(f"{where}: layer {edit.block} does not exist; model {model.name!r} has layers 0 to {model.n_blocks - 1}")
            width = width_at(model, edit.block, "block_output" if isinstance(edit, Gate) else edit.site)
            for part, vector in _vectors(edit).items():
                if np.shape(vector) != (width,):
                    raise ModelError(
                        f"{where}, layer {edit.block}: {part} has shape {np.shape(vector)}, but model {model.name!r} has width {width}; "
                        "use a vector that was extracted from this model"
                    )
                if not np.isfinite(vector).all():
                    raise ModelError(f"{where}, layer {edit.block}: {part} holds NaN or Inf; use a finite strength")
            _check_numbers(edit, where)


def _vectors(edit: Edit | Gate) -> dict[str, np.ndarray]:
    names = {Add: ("vector",), Rotate: ("b1", "b2"), Affine: ("direction", "offset"), Gate: ("condition",)}[type(edit)]
    return {name: getattr(edit, name) for name in names}


def _check_numbers(edit: Edit | Gate, where: str) -> None:
    if isinstance(edit, Rotate):
        if not np.isfinite(edit.fraction):
            raise ModelError(f"{where}, layer {edit.block}: fraction {edit.fraction} is not finite")
        plane = np.stack([edit.b1, edit.b2]).astype(np.float64)
        if np.abs(plane @ plane.T - np.eye(2)).max() > 1e-3:
            raise ModelError(f"{where}, layer {edit.block}: b1 and b2 are not orthonormal, so the rotation would change norms")
    if isinstance(edit, Affine) and abs(float(np.linalg.norm(edit.direction)) - 1) > 1e-3:
        raise ModelError(f"{where}, layer {edit.block}: direction has norm {np.linalg.norm(edit.direction):.4g}; expected a unit vector")
    if isinstance(edit, Gate) and not (np.isfinite(edit.threshold) and np.any(edit.condition)):
        raise ModelError(f"{where}, layer {edit.block}: the gate needs a finite threshold and a condition that is not all zeros")


class Table:
    """Edits of one kind at one place: `vectors` float32 [entry, part, width], `numbers` float32 [entry], `on` bool [entry]."""

    def __init__(self, kind: type[Edit], entries: Sequence[Edit | None], width: int) -> None:
        self.kind = kind
        parts = 1 if kind is Add else 2
        vectors = np.zeros((len(entries), parts, width), dtype=np.float32)
        numbers = np.ones(len(entries), dtype=np.float32)
        for row, edit in enumerate(entries):
            if edit is not None:
                vectors[row] = list(_vectors(edit).values())
                numbers[row] = 1.0 - edit.fraction if isinstance(edit, Rotate) else 1.0
        self.vectors, self.numbers = torch.from_numpy(vectors), torch.from_numpy(numbers)
        self.on = torch.tensor([edit is not None for edit in entries])

    def to(self, device: torch.device) -> None:
        """Move the table to `device`."""
        self.vectors, self.numbers, self.on = self.vectors.to(device), self.numbers.to(device), self.on.to(device)

    def apply(self, hidden: torch.Tensor, entry: torch.Tensor) -> torch.Tensor:
        """Return edited hidden states, float32 [row, token, width]; `entry` [row] indexes the table; entry 0 changes nothing."""
        vectors = self.vectors[entry]
        first = vectors[:, 0, None, :]
        if self.kind is Add:
            # Entry 0 holds zeros, and the caller restores untouched rows bit for bit.
            return hidden + first
        second = vectors[:, 1, None, :]
        along = (hidden * first).sum(-1, keepdim=True)
        if self.kind is Affine:
            edited = hidden - along * first + second
        else:
            across = (hidden * second).sum(-1, keepdim=True)
            angle = torch.atan2(across, along) * self.numbers[entry][:, None, None]
            radius = torch.hypot(along, across)
            edited = hidden + (radius * torch.cos(angle) - along) * first + (radius * torch.sin(angle) - across) * second
        return torch.where(self.on[entry][:, None, None], edited, hidden)


@dataclass(slots=True)
class PlaceTables:
    """All edits at one place. `entry_of` maps a configuration's number to its table entry (0: not steered here).

    `stages` is a list of steps; a configuration with k edits at this place takes part in the first k, in its own order.
    """

    entry_of: torch.Tensor
    stages: list[list[Table]]

    def to(self, device: torch.device) -> None:
        """Move the tables to `device`."""
        self.entry_of = self.entry_of.to(device)
        for stage in self.stages:
            for table in stage:
                table.to(device)

    def apply(self, hidden: torch.Tensor, entry: torch.Tensor) -> torch.Tensor:
        """Return hidden states, float32 [row, token, width], after every stage."""
        for stage in self.stages:
            for table in stage:
                hidden = table.apply(hidden, entry)
        return hidden


def tabulate(interventions: Sequence[Intervention]) -> dict[Place, PlaceTables]:
    """Return the tables by place; configuration number i + 1 is `interventions[i]`, number 0 is "none"."""
    acting: dict[Place, list[tuple[int, list[Edit]]]] = {}
    for number, intervention in enumerate(interventions, start=1):
        edits = [edit for edit in intervention.edits if not is_off(edit)]
        at: dict[Place, list[Edit]] = {}
        for edit in edits:
            at.setdefault((edit.block, edit.site), []).append(edit)
        for place, chosen in at.items():
            acting.setdefault(place, []).append((number, chosen))
    tables = {}
    for place, rows in sorted(acting.items()):
        entry_of = torch.zeros(len(interventions) + 1, dtype=torch.long)
        for entry, (number, _) in enumerate(rows, start=1):
            entry_of[number] = entry
        depth = max(len(edits) for _, edits in rows)
        width = len(next(iter(_vectors(rows[0][1][0]).values())))
        stages = [[edits[step] if step < len(edits) else None for _, edits in rows] for step in range(depth)]
        tables[place] = PlaceTables(entry_of, [_stage(stage, width) for stage in stages])
    return tables


def _stage(edits: list[Edit | None], width: int) -> list[Table]:
    found = []
    for kind in (Add, Rotate, Affine):
        entries = [None, *(edit if isinstance(edit, kind) else None for edit in edits)]
        if any(entry is not None for entry in entries):
            found.append(Table(kind, entries, width))
    return found
