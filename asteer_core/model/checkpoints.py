"""Where fine-tuning stands, on disk: weights, best weights and optimizer moments as safetensors, so that a killed run goes on.

A checkpoint carries the hash of everything the run depends on and is ignored by any other run. What does not belong here: the training
loop (`finetuning.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asteer_core.errors import StoreError
from asteer_core.tensors import read_tensors, write_tensors

KIND, VERSION = "fine-tuning checkpoint", 1
FILE = "fine-tuning.safetensors"


@dataclass
class Standing:
    """How far training is: optimizer steps made, validation results by epoch, the epoch of the best one, seconds spent, losses
    of the epoch that is under way, and the best weights."""

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    best: dict[str, np.ndarray] = field(default_factory=dict)


def write_checkpoint(folder: Path, key: str, standing: Standing, module: Any, optimizer: torch.optim.Optimizer) -> None:
    """Write the state of training under `folder`, whole or not at all."""
    tensors = {f"best.{name}": value for name, value in standing.best.items()}
    for name, parameter in module.named_parameters():
        tensors[f"weight.{name}"] = parameter.detach().float().cpu().numpy()
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}.{name}"] = value.detach().float().cpu().numpy()
    header = {name: value for name, value in asdict(standing).items() if name != "best"}
    write_tensors(folder / FILE, KIND, VERSION, {"key": key, "standing": header}, tensors)


def read_checkpoint(folder: Path, key: str, module: Any, optimizer: torch.optim.Optimizer) -> Standing:
    """Return where the run `key` stood, with weights and moments put back; a fresh standing if there is no checkpoint of it."""
    try:
        header, tensors = read_tensors(folder / FILE, KIND, VERSION)
    except StoreError:
        return Standing()  # nothing there, or of another version: begin again
    if header.get("key") != key:
        return Standing()
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(tensors[f"weight.{name}"]))
    _restore_moments(parameters, tensors, optimizer)
    best = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
    return Standing(**header["standing"], best=best)


def forget_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a finished run, and its folder if nothing else is in it."""
    (folder / FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _restore_moments(parameters: Mapping[str, Any], tensors: Mapping[str, np.ndarray], optimizer: torch.optim.Optimizer) -> None:
    moments = ("step", "exp_avg", "exp_avg_sq")
    for name, parameter in parameters.items():
        found = {moment: torch.from_numpy(tensors[f"{moment}.{name}"]) for moment in moments if f"{moment}.{name}" in tensors}
        if found:
            # A fused optimizer keeps its step counter beside the weights, in float32; another one on the host.
            counter = parameter.device if optimizer.defaults.get("fused") else torch.device("cpu")
            optimizer.state[parameter] = {
                moment: value.to(counter) if moment == "step" else value.to(parameter.device, parameter.dtype)
                for moment, value in found.items()
            }
