"""Leases: of several runs that want one partition, one makes it and the others wait for its result.

Belongs here: who may work on what, on any shared folder. Does not: what the work is, or how results are stored (`store.py`).

A lease is a file created with O_EXCL that names its owner; an owner shows that it lives by touching one file of its own. No clock is
compared with another machine's: an owner has died when its file did not change for a while by the watcher's own monotonic clock, or
when its process is gone from this machine. A lease is an economy, not a guard: results are replaced as whole files and keyed by their
content, so if two owners ever work on one partition, time is lost and nothing else.
"""

import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from asteer_core.errors import StoreError

BEAT_SECONDS = 10.0
EXPIRY_SECONDS = 60.0
"""An owner whose file did not change for so long is dead: six missed beats."""


def machine() -> str:
    """Return what tells whether a process number of this process means the same for another: the boot, and the namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"


class Leases:
    """The leases of one owner under a folder; use it as a context, which beats while inside and gives everything back at the end.

    Args:
        root: a folder that all runs of a study share.

    Raises:
        StoreError: the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.owner = f"{machine()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self._held: set[Path] = set()
        self._seen: dict[str, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._sign(self.owner).parent.mkdir(parents=True, exist_ok=True)
        self._sign(self.owner).touch()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for path in list(self._held):
            self._drop(path)
        self._sign(self.owner).unlink(missing_ok=True)

    def acquire(self, *name: str) -> bool:
        """Return whether the thing called `name` is now leased to this owner; leases of the dead are taken over."""
        path = self._path(name)
        if path in self._held or self._create(path):
            return True
        holder = self._holder(path)
        if holder is None:
            return self._create(path)
        return self._has_died(holder) and self._take_over(path, holder) and self._create(path)

    def release(self, *name: str) -> None:
        """Give a lease back; waiting runs see it at their next look."""
        self._drop(self._path(name))

    def holder(self, *name: str) -> str | None:
        """Return the owner of a lease; None where there is none."""
        return self._holder(self._path(name))

    def _path(self, name: tuple[str, ...]) -> Path:
        return self._root.joinpath(*(part.replace(":", "~") for part in name[:-1]), f"{name[-1].replace(':', '~')}.lease")

    def _sign(self, owner: str) -> Path:
        return self._root / "owners" / owner

    def _create(self, path: Path) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error}); free some disk space or set ASTEER_HOME to a writable folder") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(self.owner)
        self._held.add(path)
        return True

    def _holder(self, path: Path) -> str | None:
        try:
            return path.read_text() or "unsigned"
        except OSError:
            return None

    def _has_died(self, owner: str) -> bool:
        host, _, rest = owner.partition(".")
        process = rest.partition(".")[0]
        if host == machine() and process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists():
            return True
        try:
            stamp = self._sign(owner).stat().st_mtime_ns
        except OSError:
            # Signed before the first lease and removed after the last: only the dead have none, but it may take a while to be seen.
            stamp = -1
        known, since = self._seen.setdefault(owner, (stamp, time.monotonic()))
        if known != stamp:
            self._seen[owner] = (stamp, time.monotonic())
            return False
        return time.monotonic() - since > EXPIRY_SECONDS

    def _take_over(self, path: Path, holder: str) -> bool:
        """Remove a dead owner's lease; only one of several that try succeeds, and a lease that changed hands meanwhile is put back."""
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            path.rename(aside)
        except OSError:
            return False
        died = self._holder(aside) == holder
        try:
            if not died:
                os.link(aside, path)
        except OSError:
            # Somebody leased it in between; two owners then work on one partition, which costs time alone.
            pass
        finally:
            aside.unlink(missing_ok=True)
        return died

    def _drop(self, path: Path) -> None:
        self._held.discard(path)
        if self._holder(path) == self.owner:
            path.unlink(missing_ok=True)

    def _beat(self) -> None:
        sign = self._sign(self.owner)
        while not self._stop.wait(BEAT_SECONDS):
            try:
                sign.touch()
            except OSError:
                # A full or absent disk shows itself where results are written; here the lease merely ages.
                continue
