"""Writing a file so that readers see the old one or the new one, never a part, whatever kills the writer.

Belongs here: that, once, for files of this machine. Does not: what errors are called (the caller knows what the user can do), object
stores (`warehouse/files.py`).
"""

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` fill a file beside `path`, which does not exist yet, and rename it over `path`; the folder is made where it is missing.

    Whatever `write` raises, and any OSError, passes through; `path` is then as it was, and the other file is gone.

    Args:
        path: the file to replace.
        write: called with the path to write to, a hidden name ending in .tmp.
        durable: flush the file to the disk before its rename.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
