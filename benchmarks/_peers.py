"""Starts and commands the process in which other libraries run. What does not belong here: what it does (`_peers_worker.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from asteer_core.model import LanguageModel
from benchmarks._model import LAYER, save_for_peers

_HERE = Path(__file__).parent


class Peers:
    """The other libraries on the same weights, for the length of a `with` statement."""

    def __init__(
        self, model: LanguageModel, prompts: Sequence[str], tokens: int, vectors: np.ndarray, pairs: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.folder = save_for_peers(model)
        rendered = model.prompter.encode(prompts, [None] * len(prompts))
        job = {"prompts": list(prompts), "ids": rendered, "tokens": tokens, "layer": LAYER, "pairs": list(pairs)}
        (self.folder / "job.json").write_text(json.dumps(job))
        np.save(self.folder / "vectors.npy", vectors)

    def __enter__(self) -> Self:
        place = os.environ.get("ASTEER_PEERS_ENV")
        built = subprocess.run([str(_HERE / "peers_env.sh"), *([place] if place else [])], check=True, capture_output=True, text=True)
        self.python = built.stdout.strip().splitlines()[-1]
        command = [self.python, str(_HERE / "_peers_worker.py"), str(self.folder), str(torch.get_num_threads())]
        log = (self.folder / "worker.log").open("w")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()
        shutil.rmtree(self.folder)

    def tokens(self) -> int:
        """Return how many tokens of replies the last job that lets replies end by themselves has made."""
        return int(json.loads((self.folder / "tokens.json").read_text()))

    def do(self, job: str, **options: Any) -> float:
        """Do a job on the other side; return the seconds it took there.

        Raises:
            RuntimeError: the other process ended; the message holds the end of its log.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        try:
            print(json.dumps({"do": job, **options}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the peers' process ended during {job!r}:\n{(self.folder / 'worker.log').read_text()[-2000:]}")
        return float(json.loads(answer))
