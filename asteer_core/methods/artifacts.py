"""Steering vectors on disk: one safetensors file per concept, model and method; the metadata are JSON in its header.

No pickle. What a vector means is in `asteer_core.types`; how one is fitted is in the method files.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from asteer_core.errors import StoreError
from asteer_core.types import SteeringVector

FORMAT = "asteer-steering-vectors"
VERSION = 1
HEADER = "asteer"
# One header entry only: safetensors writes several in an order that changes from call to call, and equal vectors would differ in bytes.
UNIT_TOLERANCE = 1e-3


def save_vectors(path: Path | str, vectors: Sequence[SteeringVector]) -> None:
    """Write vectors of one concept, model and method, one per block; the file appears whole or not at all.

    Raises:
        StoreError: no vectors, vectors of several owners or widths, two for one block, values that are not finite float32,
            or metadata that JSON cannot hold.
    """
    path = Path(path)
    if not vectors:
        raise StoreError(f"{path}: there are no vectors to save")
    owners = {(v.concept, v.model, v.method) for v in vectors}
    if len(owners) > 1:
        raise StoreError(f"{path}: vectors of {len(owners)} owners {sorted(owners)}; save one file per concept, model and method")
    blocks = [v.block for v in vectors]
    if len(set(blocks)) < len(blocks):
        raise StoreError(f"{path}: two vectors for one block (blocks {blocks}); keep one of them")
    for vector in vectors:
        _check(path, vector, width=vectors[0].direction.shape[0] if vectors[0].direction.ndim else 0)
    concept, model, method = next(iter(owners))
    header = {"format": FORMAT, "version": VERSION, "concept": concept, "model": model, "method": method}
    header["vectors"] = [_facts(v) for v in vectors]
    try:
        # allow_nan would write bare NaN, which is not JSON and which other readers refuse.
        text = json.dumps(header, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: the metadata cannot be written as JSON: {error}; use finite numbers, strings, lists and mappings"
        ) from error
    _write_whole(path, {k: t for v in vectors for k, t in _tensors(v).items()}, text)


def load_vectors(path: Path | str, width: int | None = None) -> dict[int, SteeringVector]:
    """Return the file's vectors by block.

    Args:
        path: a file written by `save_vectors`.
        width: d_model of the model that the vectors are for; checked where given.

    Raises:
        StoreError: missing, truncated or foreign file, another version, another width or dtype, or values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: no such file of steering vectors; fit the vectors of this concept, model and method first")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise StoreError(f"{path}: not a readable safetensors file ({error}); delete it and fit the vectors again") from error
    if HEADER not in metadata:
        raise StoreError(
            f"{path}: no {HEADER!r} entry in the header (entries: {sorted(metadata)}); this file does not hold steering vectors"
        )
    try:
        header = json.loads(metadata[HEADER])
        if header["version"] != VERSION:
            raise StoreError(f"{path}: version {header['version']!r}, this library reads version {VERSION}; fit the vectors again")
        vectors = [_vector(header, facts, tensors) for facts in header["vectors"]]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: the header does not match the tensors ({error!r}); delete the file and fit the vectors again") from error
    for vector in vectors:
        _check(path, vector, width=width if width is not None else vectors[0].direction.shape[0])
    return {vector.block: vector for vector in vectors}


def _facts(vector: SteeringVector) -> dict[str, Any]:
    return {
        "block": vector.block,
        "site": "block_output",
        "scale": vector.scale,
        "separation": vector.separation,
        "cosine_to_mean_difference": vector.cosine_to_mean_difference,
        "extras": sorted(vector.extras),
        "metadata": vector.metadata,
    }


def _tensors(vector: SteeringVector) -> dict[str, np.ndarray]:
    named = {"direction": vector.direction, **{f"extras.{name}": array for name, array in vector.extras.items()}}
    return {f"block.{vector.block}.{name}": np.ascontiguousarray(array) for name, array in named.items()}


def _vector(header: Mapping[str, Any], facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> SteeringVector:
    prefix = f"block.{facts['block']}"
    return SteeringVector(
        concept=header["concept"],
        model=header["model"],
        method=header["method"],
        block=int(facts["block"]),
        direction=tensors[f"{prefix}.direction"],
        scale=float(facts["scale"]),
        separation=facts["separation"],
        cosine_to_mean_difference=facts["cosine_to_mean_difference"],
        extras={name: tensors[f"{prefix}.extras.{name}"] for name in facts["extras"]},
        metadata=dict(facts["metadata"]),
    )


def _check(path: Path, vector: SteeringVector, width: int) -> None:
    where = f"{path}, block {vector.block}"
    for name, array in {"direction": vector.direction, **vector.extras}.items():
        if array.dtype != np.float32 or array.ndim != 1:
            raise StoreError(f"{where}: {name} is {array.dtype} of shape {array.shape}; expected float32 [d_model]")
        if len(array) != width:
            raise StoreError(f"{where}: {name} has width {len(array)}, expected {width}; the vector belongs to another model")
        if not np.isfinite(array).all():
            raise StoreError(f"{where}: {name} holds NaN or infinity; fit the vectors again")
    if abs(float(np.linalg.norm(vector.direction)) - 1) > UNIT_TOLERANCE:
        raise StoreError(
            f"{where}: direction has norm {np.linalg.norm(vector.direction):.4g}, expected 1; normalise it and put its size in scale"
        )
    if not (np.isfinite(vector.scale) and vector.scale > 0):
        raise StoreError(f"{where}: scale {vector.scale} is not above 0; it is the median residual norm of the block")


def _write_whole(path: Path, tensors: dict[str, np.ndarray], header: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={HEADER: header})
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
