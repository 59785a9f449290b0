"""How many weights a model on this disk has, read from the headers of its files. Torch-free; a file that cannot be read counts nothing.

What does not belong here: the memory that a loaded model takes (`memory.py`).
"""

from __future__ import annotations

import math
from pathlib import Path


def count_weights(folder: Path, *, without_embeddings: bool = False) -> int | None:
    """Return the number of weights under a folder of safetensors, or None where there are none to be read.

    Args:
        without_embeddings: leave out tables that are looked up and not multiplied with.
    """
    from safetensors import SafetensorError, safe_open

    total = 0
    try:
        for file in folder.glob("*.safetensors"):
            with safe_open(str(file), framework="numpy") as tensors:
                names = [name for name in tensors.keys() if not (without_embeddings and "embed" in name)]
                total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    except (SafetensorError, OSError):
        return None
    return total or None
