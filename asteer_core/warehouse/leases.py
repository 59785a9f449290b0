"""Leases: of several runs that want one partition, one makes it and the others wait for its result.

Belongs here: who may work on what, on any shared place. Does not: what the work is, how results are stored (`store.py`), or how a lease
is written in a folder or an object store (`lease_files.py`).

A lease is a file that only one can create, and that names its owner; an owner shows that it lives by writing one file of its own. No
clock is compared with another machine's: an owner has died when its file did not change for a while by the watcher's own monotonic
clock, or when its process is gone from this machine. A lease is an economy, not a guard: results are replaced as whole files and keyed
by their content, so if two owners ever work on one partition, time is lost and nothing else.
"""

import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from asteer_core.errors import StoreError
from asteer_core.processes import is_gone, machine
from asteer_core.warehouse.lease_files import lease_files

BEAT_SECONDS = 10.0
OWNERS = "owners"
"""Folder of the signs of life."""
EXPIRY_SECONDS = 60.0
"""An owner whose file did not change for so long is dead: six missed beats."""


class Leases:
    """The leases of one owner under a folder; use it as a context, which beats while inside and gives everything back at the end.

    Args:
        root: a folder or a place in an object store that all runs of a study share.

    Raises:
        StoreError: the place cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = lease_files(root)
        self.owner = f"{machine()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self._held: set[Path] = set()
        self._seen: dict[str, tuple[str | None, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._files.beat(self._sign(self.owner))
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for path in list(self._held):
            self._drop(path)
        self._files.remove(self._sign(self.owner))
        self._sweep()

    def acquire(self, *name: str) -> bool:
        """Return whether the thing called `name` is now leased to this owner; leases of the dead are taken over."""
        path = self._path(name)
        if path in self._held or self._create(path):
            return True
        holder = self._holder(path)
        if holder is None:
            return self._create(path)
        return self._has_died(holder) and self._files.seize(path, holder) and self._create(path)

    def release(self, *name: str) -> None:
        """Give a lease back; waiting runs see it at their next look."""
        self._drop(self._path(name))

    def holder(self, *name: str) -> str | None:
        """Return the owner of a lease; None where there is none."""
        return self._holder(self._path(name))

    def _sweep(self) -> None:
        """Remove the leases and signs of processes of this machine that are gone: what they had made is adopted without a lease."""
        for path in self._files.every(self._root):
            is_sign = path.parent.name == OWNERS
            holder = path.name if is_sign else self._holder(path)
            if holder is None or not self._is_gone(holder):
                continue
            if is_sign:
                self._files.remove(path)
            else:
                self._files.seize(path, holder)

    def _path(self, name: tuple[str, ...]) -> Path:
        return self._root.joinpath(*(part.replace(":", "~") for part in name[:-1]), f"{name[-1].replace(':', '~')}.lease")

    def _sign(self, owner: str) -> Path:
        return self._root / OWNERS / owner

    def _create(self, path: Path) -> bool:
        created = self._files.create(path, self.owner)
        if created:
            self._held.add(path)
        return created

    def _holder(self, path: Path) -> str | None:
        return self._files.read(path)

    def _has_died(self, owner: str) -> bool:
        if self._is_gone(owner):
            return True
        # Signed before the first lease and removed after the last: only the dead have no pulse, but it may take a while to be seen.
        stamp = self._files.pulse(self._sign(owner))
        known, since = self._seen.setdefault(owner, (stamp, time.monotonic()))
        if known != stamp:
            self._seen[owner] = (stamp, time.monotonic())
            return False
        return time.monotonic() - since > EXPIRY_SECONDS

    def _is_gone(self, owner: str) -> bool:
        host, _, rest = owner.partition(".")
        return is_gone(host, rest.partition(".")[0])

    def _drop(self, path: Path) -> None:
        self._held.discard(path)
        if self._holder(path) == self.owner:
            self._files.remove(path)

    def _beat(self) -> None:
        sign = self._sign(self.owner)
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self._files.beat(sign)
            except (OSError, StoreError):
                # A full or absent disk or store shows itself where results are written; here the lease merely ages.
                continue
