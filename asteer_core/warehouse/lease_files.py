"""How a lease is written: in a folder by exclusive creation and rename, in an object store by a put that only the first can make.

What does not belong here: when an owner counts as dead, and what a lease is good for (`leases.py`).
"""

import os
import uuid
from pathlib import Path
from typing import Protocol

from asteer_core.errors import StoreError
from asteer_core.warehouse.places import filesystem, is_remote, key, reaching


class LeaseFiles(Protocol):
    """What leases need of a place."""

    def create(self, path: Path, owner: str) -> bool:
        """Write a lease and return True, or return False where there is one; of several at once only one succeeds."""
        ...

    def read(self, path: Path) -> str | None:
        """Return the owner that a lease names; None where there is none."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; one that is not there is removed already."""
        ...

    def seize(self, path: Path, holder: str) -> bool:
        """Remove the lease of a dead owner; return whether it was still theirs and this call removed it."""
        ...

    def every(self, root: Path) -> list[Path]:
        """Return all leases and signs under `root` that can be listed at little cost."""
        ...

    def beat(self, sign: Path) -> None:
        """Show that the owner of `sign` lives."""
        ...

    def pulse(self, sign: Path) -> str | None:
        """Return what changed with the owner's last beat; None where there is no sign of them."""
        ...


def lease_files(root: Path) -> LeaseFiles:
    """Return the way to write leases under `root`."""
    return _Objects() if is_remote(root) else _Files()


class _Files:
    """Leases in a folder, also one that several machines mount."""

    def create(self, path: Path, owner: str) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error}); free some disk space or set ASTEER_HOME to a writable folder") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(owner)
        return True

    def read(self, path: Path) -> str | None:
        try:
            return path.read_text() or "unsigned"
        except OSError:
            return None

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def seize(self, path: Path, holder: str) -> bool:
        # Of several that try, only one renames; a lease that changed hands meanwhile is put back.
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            path.rename(aside)
        except OSError:
            return False
        died = self.read(aside) == holder
        try:
            if not died:
                os.link(aside, path)
        except OSError:
            # Somebody leased it in between; two owners then work on one partition, which costs time alone.
            pass
        finally:
            aside.unlink(missing_ok=True)
        return died

    def every(self, root: Path) -> list[Path]:
        return [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]

    def beat(self, sign: Path) -> None:
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.touch()

    def pulse(self, sign: Path) -> str | None:
        try:
            return str(sign.stat().st_mtime_ns)
        except OSError:
            return None


class _Objects:
    """Leases in an object store: S3's If-None-Match, and what Google's and Azure's stores have in its place."""

    def create(self, path: Path, owner: str) -> bool:
        with reaching(path, FileExistsError):
            try:
                filesystem(path).pipe_file(key(path), owner.encode(), mode="create")
            except FileExistsError:
                return False
        return True

    def read(self, path: Path) -> str | None:
        with reaching(path, FileNotFoundError):
            try:
                return filesystem(path).cat_file(key(path)).decode() or "unsigned"
            except FileNotFoundError:
                return None

    def remove(self, path: Path) -> None:
        with reaching(path, FileNotFoundError):
            try:
                filesystem(path).rm_file(key(path))
            except FileNotFoundError:
                return

    def seize(self, path: Path, holder: str) -> bool:
        # There is no rename. Two that seize at the same moment may both go on, which costs time alone.
        if self.read(path) != holder:
            return False
        self.remove(path)
        return True

    def every(self, root: Path) -> list[Path]:
        # A listing is a request, and those of other machines could not be told dead by it: they are taken over where they are in the way.
        return []

    def beat(self, sign: Path) -> None:
        with reaching(sign):
            filesystem(sign).pipe_file(key(sign), uuid.uuid4().hex.encode())

    def pulse(self, sign: Path) -> str | None:
        return self.read(sign)
