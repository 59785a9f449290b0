"""Drawing tokens: one counter-based uniform per (row stream, step), turned into a token by the inverse of the distribution function.

A row's draw depends on its own logits, stream and step alone, never on its neighbours. What does not belong here: forward passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from asteer_core.types import Sampling

_TOP = 64
"""Most nuclei fit in so many tokens; only rows whose nucleus is larger are sorted in full."""


def uniforms(streams: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return one uniform in [0, 1) per row, float64 [row], a pure function of stream (int64) and step (int).

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2660193.2660195), applied to the stream,
    then to its sum with the step.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        state = _mix(streams.astype(np.uint64) + golden) + (steps.astype(np.uint64) + np.uint64(1)) * golden
        return (_mix(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Draw:
    """The tokens drawn, int64 [row], and whether a row's logits were usable (bool [row]; False: NaN or Inf)."""

    tokens: torch.Tensor
    finite: torch.Tensor


def draw(logits: torch.Tensor, uniform: torch.Tensor, sampling: Sampling) -> Draw:
    """Return one token per row from logits [row, vocabulary], which may already be penalised or masked.

    `uniform` is float [row] in [0, 1). At temperature 0 the first of the largest logits is taken and `uniform` is not used.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        best, tokens = logits.max(dim=-1)
        return Draw(torch.where(torch.isfinite(best), tokens, 0), torch.isfinite(best))
    if sampling.temperature != 1:
        logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = torch.topk(logits, sampling.top_k, dim=-1).values[:, -1:]
        logits = torch.where(logits >= least, logits, -torch.inf)
    probabilities = torch.softmax(logits, dim=-1)
    if sampling.top_p < 1:
        probabilities = torch.where(probabilities >= _nucleus_floor(probabilities, sampling.top_p), probabilities, 0.0)
    return _invert(probabilities, uniform)


def _invert(probabilities: torch.Tensor, uniform: torch.Tensor) -> Draw:
    # float64 keeps the rounding of a different batch shape from moving a boundary over the draw; MPS has float32 only.
    wide = torch.float32 if probabilities.device.type == "mps" else torch.float64
    cumulative = torch.cumsum(probabilities, dim=-1, dtype=wide)
    total = cumulative[:, -1:]
    finite = torch.isfinite(total[:, 0])
    tokens = torch.searchsorted(cumulative, uniform.to(wide)[:, None] * total, right=True)[:, 0]
    return Draw(torch.where(finite, tokens.clamp(max=probabilities.shape[-1] - 1), 0), finite)


def _nucleus_floor(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return the smallest probability inside the nucleus, [row, 1]: the largest tokens whose sum reaches `top_p`; ties stay in."""
    count = min(_TOP, probabilities.shape[-1])
    largest = torch.topk(probabilities, count, dim=-1).values
    floor, reached = _floor(largest, top_p)
    short = torch.nonzero(~reached).flatten()
    if count < probabilities.shape[-1] and len(short):
        floor[short] = _floor(torch.sort(probabilities[short], dim=-1, descending=True).values, top_p)[0]
    return floor[:, None]


def _floor(descending: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    cumulative = torch.cumsum(descending, dim=-1)
    last = (cumulative < top_p).sum(-1, keepdim=True)
    reached = last[:, 0] < descending.shape[-1]
    return descending.gather(-1, last.clamp(max=descending.shape[-1] - 1))[:, 0], reached


def penalise(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Return logits with tokens seen before (bool [row, vocabulary], prompt included) made less likely by the factor `penalty`.

    Source: Keskar et al. 2019, https://arxiv.org/abs/1909.05858.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
