"""A process in an environment of its own, in which other libraries run, commanded by lines of JSON. Not here: its work (`*_worker.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

_HERE = Path(__file__).parent


class OtherSide:
    """The process, for the length of a `with` statement.

    Args:
        kind: which environment of `peers_env.sh`; `ASTEER_PEERS_ENV` (steering) or `ASTEER_DIVERSITY_ENV` says where it lies.
        worker: the script that runs there; it is told the folder and the number of threads.
        folder: what both sides read and write; it is removed at the end.
    """

    def __init__(self, kind: str, worker: str, folder: Path) -> None:
        self.folder = folder
        self._kind, self._worker = kind, worker

    def __enter__(self) -> Self:
        place = os.environ.get("ASTEER_PEERS_ENV" if self._kind == "steering" else f"ASTEER_{self._kind.upper()}_ENV")
        command = [str(_HERE / "peers_env.sh"), self._kind, *([place] if place else [])]
        built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        self.python = built.stdout.strip().splitlines()[-1]
        command = [self.python, str(_HERE / self._worker), str(self.folder), str(torch.get_num_threads())]
        log = (self.folder / "worker.log").open("w")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()
        shutil.rmtree(self.folder)

    def ask(self, job: str, **options: Any) -> Any:
        """Return what the other side answers to a job.

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
            raise RuntimeError(f"the other process ended during {job!r}:\n{(self.folder / 'worker.log').read_text()[-2000:]}")
        return json.loads(answer)
