"""What a model can run on here. What does not belong here: choosing one for a model (`loading.py`)."""

from __future__ import annotations

import torch


def devices() -> list[str]:
    """Return the devices of this machine, fastest first: GPUs with name and memory, then `mps`, then `cpu`."""
    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(index)
        found.append(f"cuda:{index} ({facts.name}, {facts.total_memory / (1 << 30):.0f} GiB)")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]
