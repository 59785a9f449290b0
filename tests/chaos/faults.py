"""Faults that a child of `forked.py` installs in itself before it runs a command: death at a given moment, a full disk, little memory.

Belongs here: where a fault strikes. Does not: starting processes (`forked.py`), or what must hold afterwards (the tests).
"""

import errno
import importlib
import os
import pickle
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.study.stages import _checkpoints

# The package holds a function of the same name as the module.
publishing = importlib.import_module("asteer_core.warehouse.publish")


def die() -> None:
    """End this process as a power cut or the out-of-memory killer would: no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Calls `strike` when counted down from `left`."""

    def __init__(self, left: int, strike: Callable[[], None]) -> None:
        self._left, self._strike = left, strike

    def __call__(self) -> bool:
        """Return whether this is the moment, which a striker that kills does not live to see."""
        self._left -= 1
        if self._left == 0:
            self._strike()
        return self._left == 0


def kill_at(moment: str, n: int) -> None:
    """Die at the n-th `moment`, one of `MOMENTS`."""
    MOMENTS[moment](Countdown(n, die))


def _half_written(count: Callable[[], bool], wanted: Callable[[str], bool]) -> None:
    write = pl.DataFrame.write_parquet
    armed: list[bool] = []

    def half(frame: pl.DataFrame, file: Any, **options: Any) -> None:
        write(frame, file, **options)
        if wanted(str(file)):
            size = os.path.getsize(file)
            whole = Path(file).read_bytes()
            # Half of the bytes are on disk while the process dies; a process that lives on finishes the file.
            os.truncate(file, size // 2)
            armed.append(count())
            Path(file).write_bytes(whole)

    pl.DataFrame.write_parquet = half  # type: ignore[method-assign]


def _before(owner: Any, name: str) -> Callable[[Callable[[], bool]], None]:
    def install(count: Callable[[], bool]) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            count()
            return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    return install


def _after(owner: Any, name: str) -> Callable[[Callable[[], bool]], None]:
    def install(count: Callable[[], bool]) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            count()
            return result

        setattr(owner, name, wrapped)

    return install


MOMENTS: dict[str, Callable[[Callable[[], bool]], None]] = {
    "half a partition": lambda count: _half_written(count, lambda file: "/checkpoints/" not in file),
    "half a checkpoint": lambda count: _half_written(count, lambda file: "/checkpoints/" in file),
    "before the flush": _before(os, "fsync"),
    "before the rename": _before(os, "replace"),
    "after the rename": _after(os, "replace"),
    "after a row": _after(_checkpoints.Checkpoint, "add"),
    "in the warehouse": _before(publishing, "script"),
}
"""Moment -> installs its countdown."""


def kill_after(seconds: float) -> None:
    """Die at a moment of the clock, wherever the process then is."""
    timer = threading.Timer(seconds, die)
    timer.daemon = True
    timer.start()


def full_disk(after: int) -> None:
    """Let every flush from the given one on fail as on a full disk."""
    flush = os.fsync
    left = after

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    os.fsync = fsync


def little_memory(more: int) -> None:
    """Allow so many bytes of address space beyond what the process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def rows_to(log: str) -> None:
    """Write each generated row's name and tokens to a file that outlives the process; checkpoint after each row."""
    _checkpoints.EVERY_SECONDS = 0.0
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    add = _checkpoints.Checkpoint.add

    def logged(self: Any, row: Any) -> None:
        add(self, row)
        os.write(descriptor, f"{row.row_id}\t{row.n_tokens}\n".encode())

    _checkpoints.Checkpoint.add = logged  # type: ignore[method-assign]


def small_device(rows: int) -> None:
    """Let every pass of the model over more rows than that fail as on a device without memory."""
    torch, models = importlib.import_module("torch"), importlib.import_module("transformers")
    forward = models.GPTNeoXForCausalLM.forward

    def limited(self: Any, input_ids: Any = None, **options: Any) -> Any:
        if input_ids is not None and input_ids.shape[0] > rows:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {input_ids.shape[0]}.00 GiB")
        return forward(self, input_ids=input_ids, **options)

    models.GPTNeoXForCausalLM.forward = limited


def no_pickle() -> None:
    """Refuse to load a pickle, whoever asks."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a pickle was to be loaded")

    pickle.load = pickle.loads = refuse


FAULTS: dict[str, Callable[..., None]] = {
    "kill_at": kill_at, "kill_after": kill_after, "full_disk": full_disk, "little_memory": little_memory, "rows_to": rows_to,
    "no_pickle": no_pickle,
    "small_device": small_device,
}  # fmt: skip
