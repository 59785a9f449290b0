"""Scores of detectors whose training takes long, kept from the end of their training until their partition is stored.

A partition holds many trainings, those of a baseline all arms and seeds of a model, and a kill would cost the finished ones.
What does not belong here: where an unfinished training stands (`asteer_core.model.checkpoints`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asteer_core.errors import StoreError
from asteer_core.tensors import read_tensors, write_tensors
from asteer_core.warehouse.files import remove_tree

KIND = "kept scores"
VERSION = 1


@dataclass(frozen=True)
class KeptScores:
    """The scores of one partition; its content key names the folder, so that nothing but the same training is adopted.

    Attributes:
        folder: of this partition alone.
        rows: scores of one training.
    """

    folder: Path
    rows: int

    def get(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the scores that are kept as `name`, else those that `make` returns, which are kept; float64 [row].

        Raises:
            StoreError: the folder cannot be written.
        """
        path = self.folder / f"{name}.safetensors"
        try:
            found = read_tensors(path, KIND, VERSION)[1].get("scores")
        except StoreError:
            found = None
        if found is not None and found.shape == (self.rows,) and found.dtype == np.float64:
            return found
        made = np.asarray(make(), dtype=np.float64)
        write_tensors(path, KIND, VERSION, {}, {"scores": made})
        return made

    def forget(self) -> None:
        """Remove them: the partition is stored."""
        remove_tree(self.folder)
