"""Whether the process that left something behind is gone: what it wrote is then nobody's.

Belongs here: that question. Does not: what is to be done with what was left (`atomic.py`, `warehouse/leases.py`).
"""

import os
import uuid
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Return what tells whether a process number of this process means the same for another: the boot, and the namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"


def is_gone(where: str, process: str) -> bool:
    """Return whether a process of `machine()` `where` is known to have ended; False where that cannot be seen from here."""
    return where == machine() and process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists()
