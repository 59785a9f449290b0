"""Hashes of weight files, torch-free: they say which model or encoder a number came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

_CHUNK = 1 << 22


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's content, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """Return the sha256 over the names and contents of files, 64 hex digits, in whatever order they are given."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda item: item.name):
        digest.update(f"{path.name} {hash_file(path)}\n".encode())
    return digest.hexdigest()
