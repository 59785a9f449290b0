"""Writing a file so that readers see the old one or the new one, never a part, whatever kills the writer.

Belongs here: that, once, for files of this machine, and removing what a killed writer left. Does not: what errors are called (the
caller knows what the user can do), object stores (`warehouse/files.py`).
"""

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from asteer_core.processes import is_gone, machine

_swept: set[str] = set()
"""Folders that this process has written to before."""


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` fill a file beside `path`, which does not exist yet, and rename it over `path`; the folder is made where it is missing.

    Whatever `write` raises, and any OSError, passes through; `path` is then as it was, and the other file is gone.

    Args:
        path: the file to replace.
        write: called with the path to write to, a hidden name ending in .tmp.
        durable: flush the file to the disk before its rename.
    """
    temporary = path.with_name(f".{path.name}.{_here()}-{os.getpid()}-{uuid.uuid4().hex[:6]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        write(temporary)
        if durable:
            # Without the flush a power cut can leave the new name on an empty file.
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        # Where the folder cannot be written, nor can the file be removed; the error above is what counts.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; once per process, since listing it at each write would cost more."""
    known = str(folder.absolute())
    if known in _swept:
        return
    _swept.add(known)
    with contextlib.suppress(OSError):
        for left in folder.glob(".*.tmp"):
            where, _, rest = left.name.split(".")[-2].partition("-")
            if where == _here() and is_gone(machine(), rest.partition("-")[0]):
                left.unlink(missing_ok=True)


def _here() -> str:
    """Return `machine()` in eight characters: names of files have 255 bytes, and a partition's takes most of them."""
    return f"{crc32(machine().encode()):08x}"
