"""Directions from a file of any supported kind, told by its content and not by its name. Pickles are refused with the way out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from asteer_core.errors import StoreError
from asteer_core.tensors import ENTRY
from asteer_core.vector_files.artifacts import load_vectors
from asteer_core.vector_files.control_vector import read_control_vector
from asteer_core.vector_files.directions import Directions, checked, from_vectors
from asteer_core.vector_files.gguf import MAGIC

NAMED = re.compile(r"(?:(?:direction|layer|layers|block|blocks)\.)?([0-9]{1,5})(?:\.direction)?")
"""Tensor names of a plain safetensors file: `7`, `layer.7`, `direction.7`, `block.7.direction`."""


def read_directions(path: Path | str) -> Directions:
    """Return the directions of a file: our safetensors, a plain safetensors file, or a GGUF control vector.

    Raises:
        StoreError: missing, truncated, a pickle, another kind of file, or directions that are not finite vectors of one width.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); give a .gguf or .safetensors file") from None
    if start == MAGIC:
        return read_control_vector(path)
    return _read_safetensors(path, start)


def _read_safetensors(path: Path, start: bytes) -> Directions:
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            if ENTRY in metadata:
                return from_vectors(load_vectors(path), path)
            arrays = {name: _array(path, file, name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        # torch.save writes a zip, pickle.dump begins with its protocol. The length of a sound safetensors header may look like that.
        if start[:2] == b"PK" or start[:1] == b"\x80":
            raise StoreError(_conversion(path)) from None
        raise StoreError(f"{path}: neither a GGUF control vector nor a readable safetensors file ({error})") from None
    by_block: dict[int, np.ndarray] = {}
    for name, array in arrays.items():
        match = NAMED.fullmatch(name)
        if match is None:
            raise StoreError(f"{path}: tensor {name[:60]!r} names no block; call the tensors direction.N, N a decoder block from 0")
        if int(match[1]) in by_block:
            raise StoreError(f"{path}: two directions for block {int(match[1])}; keep one of them")
        by_block[int(match[1])] = array
    hint = metadata.get("model_hint")
    return checked(by_block, path, "safetensors", hint, {key: value for key, value in metadata.items() if key != "model_fingerprint"})


def _array(path: Path, file: safe_open, name: str) -> np.ndarray:
    try:
        return file.get_tensor(name)
    except (TypeError, KeyError, AttributeError):
        # numpy has no bfloat16 and no 8-bit floats.
        raise StoreError(f"{path}: tensor {name[:60]!r} has a type that numpy lacks; save it with .float()") from None


CONVERSION = (
    "import sys; from torch import as_tensor, load; from safetensors.torch import save_file; v = load(sys.argv[1], weights_only=False); "
    "v = getattr(v, 'layer_activations', getattr(v, 'directions', v)); "
    "save_file({f'direction.{b}': as_tensor(t).float().flatten().contiguous() for b, t in v.items()}, sys.argv[2])"
)
"""Text that an error shows; it is not run here."""


def _conversion(path: Path) -> str:
    command = f'python -c "{CONVERSION}" {shlex.quote(str(path))} {shlex.quote(str(path.with_suffix(".safetensors")))}'
    return (
        f"{path}: a pickle, which is not loaded because loading one runs whatever code it holds. If you trust it, convert it once, where "
        f"the library that wrote it is installed:\n  {command}"
    )
