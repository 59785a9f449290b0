"""The logit lens: which tokens a direction of the residual stream raises and which it lowers.

The tokens are text of a model, hence untrusted: escape them wherever they are shown. What does not belong here: what they say about a
vector (`asteer_core.selection`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel


def top_tokens(model: LanguageModel, directions: Sequence[np.ndarray], count: int = 8) -> list[tuple[list[str], list[str]]]:
    """Return for each direction (float [d_model]) the tokens it raises most and those it lowers most, strongest first.

    The direction goes through the gain of the final norm, where the model has one behind its blocks, and through the unembedding:
    what an infinitesimal push would do to the logits if no later block answered to it.

    Raises:
        ModelError: a direction of another width.
    """
    for direction in directions:
        if np.shape(direction) != (model.d_model,):
            raise ModelError(f"{model.name}: a direction has shape {np.shape(direction)}; expected ({model.d_model},)")
    head = model.module.get_output_embeddings().weight
    gain = _final_gain(model)
    # Rows of the head beyond the tokenizer are padding of the matrix.
    n_tokens = min(len(head), len(model.tokenizer))
    found = []
    with torch.inference_mode():
        for direction in directions:
            pushed = torch.from_numpy(np.asarray(direction, dtype=np.float32)).to(head.device)
            logits = (head[:n_tokens] @ (pushed if gain is None else pushed * gain.to(head.device)).to(head.dtype)).float()
            best = [torch.topk(logits, min(count, n_tokens), largest=largest).indices.tolist() for largest in (True, False)]
            found.append((_texts(model, best[0]), _texts(model, best[1])))
    return found


def _texts(model: LanguageModel, ids: list[int]) -> list[str]:
    return [model.tokenizer.decode([number]) for number in ids]


def _final_gain(model: LanguageModel) -> torch.Tensor | None:
    """Return the elementwise gain of the norm behind the last block, float32 [d_model]; None where there is none."""
    last = model.blocks[-1]
    for module in model.module.modules():
        stacks = [child for child in module.children() if isinstance(child, nn.ModuleList) and any(item is last for item in child)]
        if stacks:
            children = list(module.children())
            behind = children[children.index(stacks[0]) + 1 :]
            # Some models keep the norm in front of the stack in the order of registration.
            norms = [child for child in (*behind, *children) if _is_norm(child, model.d_model)]
            return _gain(norms[0], model.d_model) if norms else None
    return None


def _is_norm(module: nn.Module, width: int) -> bool:
    weight = getattr(module, "weight", None)
    return "norm" in type(module).__name__.lower() and isinstance(weight, torch.Tensor) and weight.shape == (width,)


def _gain(norm: nn.Module, width: int) -> torch.Tensor:
    # Measured, not read off: families differ in whether the stored weight is the gain or the gain minus one.
    weight = next(norm.parameters())
    probe = torch.ones(width, device=weight.device, dtype=weight.dtype)
    probe[1::2] = -1
    with torch.inference_mode():
        return ((norm(probe) - norm(-probe)) / (2 * probe)).float()
