"""GGUF control vectors as llama.cpp and repeng read them. The container is `gguf.py`.

`direction.N` is added to the output of decoder block N counted from 0: llama.cpp adds it after the feed-forward residual of its layer
`il == N`, and repeng after `model.layers[N]`. llama.cpp has no place for block 0. (Its own cvector-generator writes the output of
block N as direction.N+1, so what it found acts one block deeper than where it was read; see `Directions.shifted`.)

Source: common_control_vector_load and llama_adapter_cvec of https://github.com/ggml-org/llama.cpp; repeng, https://github.com/vgel/repeng.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asteer_core.errors import DataError, StoreError
from asteer_core.vector_files.directions import Directions, checked
from asteer_core.vector_files.gguf import ARCHITECTURE, read_gguf, write_gguf

CONTROL_VECTOR = "controlvector"
HINT = f"{CONTROL_VECTOR}.model_hint"
COUNT = f"{CONTROL_VECTOR}.layer_count"
FACTS = "asteer.facts"
"""Our own field, JSON text: where the vector comes from. Other readers pass over it."""


def write_control_vector(
    path: Path | str, pushes: Mapping[int, np.ndarray], model_hint: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Write a control vector: what is added to the output of each block at scale 1, in activation units.

    Args:
        path: the file to write.
        pushes: block -> [d_model].
        model_hint: the architecture as llama.cpp names it, such as `llama`.
        facts: origin, as JSON can hold it.

    Raises:
        DataError: block 0, which llama.cpp cannot steer, or no hint.
        StoreError: no finite vectors of one width.
    """
    if not model_hint:
        raise DataError(f"{path}: a control vector names the architecture it is for; give a model hint such as llama")
    if 0 in pushes:
        others = [block for block in sorted(pushes) if block]
        raise DataError(f"{path}: llama.cpp cannot steer block 0; export other blocks" + (f", such as {others}" if others else ""))
    directions = checked(pushes, path, "gguf")
    fields: dict[str, str | int] = {ARCHITECTURE: CONTROL_VECTOR, HINT: model_hint, COUNT: len(directions.by_block)}
    if facts:
        try:
            fields[FACTS] = json.dumps(dict(facts), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StoreError(f"{path}: the facts cannot be written as JSON: {error}") from None
    write_gguf(Path(path), fields, {f"direction.{block}": array for block, array in directions.by_block.items()})


def read_control_vector(path: Path) -> Directions:
    """Return the directions of a GGUF control vector.

    Raises:
        StoreError: no readable GGUF file, not a control vector, or directions that are not finite vectors of one width.
    """
    fields, tensors = read_gguf(path, CONTROL_VECTOR)
    arrays: dict[int, np.ndarray] = {}
    for name, array in tensors.items():
        match = re.fullmatch(r"direction\.([0-9]{1,5})", name)
        if match is None:
            raise StoreError(f"{path}: tensor {name[:60]!r}; a control vector holds direction.N, N a decoder block, and nothing else")
        if int(match[1]) in arrays:
            raise StoreError(f"{path}: two directions for block {int(match[1])}; keep one of them")
        arrays[int(match[1])] = array
    hint = fields.get(HINT)
    return checked(arrays, path, "gguf", hint if isinstance(hint, str) else None, _facts(fields.get(FACTS)))


def _facts(text: Any) -> dict[str, Any]:
    """Return our own field, or nothing where somebody else wrote one of that name."""
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
