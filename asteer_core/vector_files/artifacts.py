"""Steering vectors on disk: one safetensors file per concept, model and method; the metadata are JSON in its header.

No pickle. What a vector means is in `asteer_core.types`; how one is fitted is in the method files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asteer_core.errors import StoreError
from asteer_core.tensors import read_tensors, write_tensors
from asteer_core.types import SteeringVector

KIND = "steering vectors"
VERSION = 1
UNIT_TOLERANCE = 1e-3
HEADS = "heads"
"""An array of this name is as wide as the block's attention heads together, which is not always d_model; the engine checks it."""


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
    header = {"concept": concept, "model": model, "method": method, "vectors": [_facts(v) for v in vectors]}
    write_tensors(path, KIND, VERSION, header, {name: array for v in vectors for name, array in _tensors(v).items()})


def load_vectors(path: Path | str, width: int | None = None) -> dict[int, SteeringVector]:
    """Return the file's vectors by block.

    Args:
        path: a file written by `save_vectors`.
        width: d_model of the model that the vectors are for; checked where given.

    Raises:
        StoreError: missing, truncated or foreign file, another version, another width or dtype, or values that are not finite.
    """
    path = Path(path)
    header, tensors = read_tensors(path, KIND, VERSION)
    try:
        vectors = [_vector(header, facts, tensors) for facts in header["vectors"]]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: the header does not match the tensors ({error!r}); delete the file and fit the vectors again") from error
    if not vectors:
        raise StoreError(f"{path}: the file names no vector; delete it and fit the vectors again")
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
    return {f"block.{vector.block}.{name}": array for name, array in named.items()}


def _vector(header: Mapping[str, Any], facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> SteeringVector:
    prefix = f"block.{facts['block']}"
    if not all(isinstance(header[name], str) for name in ("concept", "model", "method")):
        raise ValueError("concept, model and method are not text")
    if not isinstance(facts["metadata"], dict) or isinstance(facts["block"], bool) or not isinstance(facts["block"], int):
        raise ValueError("block is not a number or metadata not a mapping")
    return SteeringVector(
        concept=header["concept"],
        model=header["model"],
        method=header["method"],
        block=facts["block"],
        direction=tensors[f"{prefix}.direction"],
        scale=float(facts["scale"]),
        separation=_optional(facts["separation"]),
        cosine_to_mean_difference=_optional(facts["cosine_to_mean_difference"]),
        extras={name: tensors[f"{prefix}.extras.{name}"] for name in facts["extras"]},
        metadata=facts["metadata"],
    )


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _check(path: Path, vector: SteeringVector, width: int) -> None:
    where = f"{path}, block {vector.block}"
    if vector.block < 0:
        raise StoreError(f"{where}: blocks count from 0")
    for name, low in (("separation", 0.0), ("cosine_to_mean_difference", -1.0)):
        value = getattr(vector, name)
        if value is not None and not low - UNIT_TOLERANCE <= value <= 1 + UNIT_TOLERANCE:
            raise StoreError(f"{where}: {name} is {value}, expected {low:g} to 1 or none")
    for name, array in {"direction": vector.direction, **vector.extras}.items():
        if array.dtype != np.float32 or array.ndim != 1:
            raise StoreError(f"{where}: {name} is {array.dtype} of shape {array.shape}; expected float32 [d_model]")
        if len(array) != width and name != HEADS:
            raise StoreError(f"{where}: {name} has width {len(array)}, expected {width}; the vector belongs to another model")
        if not np.isfinite(array).all():
            raise StoreError(f"{where}: {name} holds NaN or infinity; fit the vectors again")
    # In float64: the square of a large float32 overflows.
    norm = float(np.linalg.norm(vector.direction.astype(np.float64)))
    if abs(norm - 1) > UNIT_TOLERANCE:
        raise StoreError(f"{where}: direction has norm {norm:.4g}, expected 1; normalise it and put its size in scale")
    if not (np.isfinite(vector.scale) and vector.scale > 0):
        raise StoreError(f"{where}: scale {vector.scale} is not above 0; it is the median residual norm of the block")
