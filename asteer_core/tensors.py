"""Named arrays on disk: one safetensors file with one JSON header, written whole or not at all. Never pickle.

What the arrays mean belongs to the room that writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from asteer_core.atomic import write_whole
from asteer_core.errors import StoreError

ENTRY = "asteer"
# One header entry only: safetensors writes several in an order that changes from call to call, and equal files would differ in bytes.


def write_tensors(path: Path, kind: str, version: int, header: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays and header; readers see the old file or the new one, never a part.

    Raises:
        StoreError: JSON cannot hold the header, the folder cannot be written, or the disk is full; the old file is as it was.
    """
    try:
        # allow_nan would write bare NaN, which is not JSON and which other readers refuse.
        text = json.dumps({**header, "kind": kind, "version": version}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: the metadata cannot be written as JSON: {error}; use finite numbers, strings, lists and mappings"
        ) from error
    # safetensors takes the bytes as they lie, so a strided view would be written scrambled.
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    try:
        write_whole(path, lambda temporary: save_file(arrays, temporary, metadata={ENTRY: text}))
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{path}: cannot be written ({error}); free some disk space or set ASTEER_HOME to a writable folder, then run again"
        ) from error


def read_tensors(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return header and arrays of a file that `write_tensors` wrote for the same kind and version.

    Raises:
        StoreError: missing, truncated or foreign file, or another kind or version.
    """
    if not path.is_file():
        raise StoreError(f"{path}: no such file; run the stage that writes the {kind} first")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise StoreError(f"{path}: not a readable safetensors file ({error}); delete it and make it again") from error
    try:
        header = json.loads(metadata[ENTRY])
        found = header["kind"], header["version"]
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: this file does not hold {kind} (no valid {ENTRY!r} entry in its header)") from error
    if found[0] != kind:
        raise StoreError(f"{path}: this file does not hold {kind} but {found[0]}")
    if found[1] != version:
        raise StoreError(f"{path}: version {found[1]}, this library reads version {version} of {kind}; delete it and make it again")
    return header, tensors
