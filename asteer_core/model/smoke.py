"""Trying a model before a study depends on it: load it, find its blocks, steer two prompts, and say what it takes.

What does not belong here: the registry (`specs.py`, `available.py`), benchmarks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asteer_core.errors import ModelError
from asteer_core.model.engine import generate
from asteer_core.model.loading import load_model
from asteer_core.model.specs import ModelSpec
from asteer_core.types import Add, GenerationRequest, Intervention, Sampling, row_stream

PROMPTS = ("How do I bake bread?", "Name three rivers.")
TOKENS = 24
_PUSH = 4.0
"""Norm of the random push in units of sqrt(d_model): large, so that a hook without effect shows."""


@dataclass(frozen=True)
class Smoke:
    """What a trial found. Memory in bytes (weights only), speed in generated tokens per second over two rows (a floor, not a rate)."""

    name: str
    parameters: int
    blocks: int
    width: int
    context: int | None
    dtype: str
    device: str
    chat_template: bool
    revision: str | None
    fingerprint: str
    memory: int
    load_seconds: float
    tokens_per_second: float
    texts: tuple[str, ...]
    steered: tuple[str, ...]


def try_model(spec: ModelSpec, data_root: Path) -> Smoke:
    """Return what loading, reading and steering a model shows; a few seconds for a small one.

    Raises:
        ModelError: it cannot be loaded, its blocks cannot be told, generation gives non-finite numbers, or a strong push in the
            middle of the model changes no reply.
    """
    started = time.perf_counter()
    model = load_model(spec, data_root)
    loaded = time.perf_counter()
    block = model.n_blocks // 2
    push = np.random.default_rng(0).normal(size=model.d_model)
    push *= _PUSH * np.sqrt(model.d_model) / np.linalg.norm(push)
    table = {"unsteered": Intervention(), "pushed": Intervention((Add(block, push.astype(np.float32)),))}
    requests = [
        GenerationRequest(f"{name}/{row}", prompt, name, row_stream("smoke", str(row), 0, 0))
        for name in table
        for row, prompt in enumerate(PROMPTS)
    ]
    begun = time.perf_counter()
    rows = generate(model, requests, table, Sampling(max_new_tokens=TOKENS, min_new_tokens=TOKENS))
    seconds = time.perf_counter() - begun
    plain, pushed = rows[: len(PROMPTS)], rows[len(PROMPTS) :]
    broken = [row.row_id for row in plain if row.finish_reason == "nonfinite"]
    if broken:
        raise ModelError(f"model {spec.name!r}: unsteered generation gave NaN or Inf; use another dtype (it has {model.dtype})")
    if [row.text for row in plain] == [row.text for row in pushed]:
        raise ModelError(f"model {spec.name!r}: a strong push at block {block} changed no reply; steering does not reach this model")
    weights = [(item.numel(), item.element_size()) for item in model.module.parameters()]
    return Smoke(
        spec.name, sum(count for count, _ in weights), model.n_blocks, model.d_model, model.context_length,
        str(model.dtype).removeprefix("torch."), str(model.device), bool(getattr(model.tokenizer, "chat_template", None)),
        model.revision, model.fingerprint, sum(count * size for count, size in weights), loaded - started,
        sum(row.n_tokens for row in rows) / seconds, tuple(row.text for row in plain), tuple(row.text for row in pushed),
    )  # fmt: skip
