"""Commands the process in which other steering libraries run. What does not belong here: what it does (`_peers_worker.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from asteer_core.model import LanguageModel
from benchmarks._model import LAYER, save_for_peers
from benchmarks._other_side import OtherSide


class Peers(OtherSide):
    """The other libraries on the same weights, for the length of a `with` statement."""

    def __init__(
        self, model: LanguageModel, prompts: Sequence[str], tokens: int, vectors: np.ndarray, pairs: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__("steering", "_peers_worker.py", save_for_peers(model))
        rendered = model.prompter.encode(prompts, [None] * len(prompts))
        job = {"prompts": list(prompts), "ids": rendered, "tokens": tokens, "layer": LAYER, "pairs": list(pairs)}
        (self.folder / "job.json").write_text(json.dumps(job))
        np.save(self.folder / "vectors.npy", vectors)

    def tokens(self) -> int:
        """Return how many tokens of replies the last job that lets replies end by themselves has made."""
        return int(json.loads((self.folder / "tokens.json").read_text()))

    def do(self, job: str, **options: Any) -> float:
        """Do a job on the other side; return the seconds it took there. Errors as `ask`."""
        return float(self.ask(job, **options))
