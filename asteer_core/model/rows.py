"""What generation hands back: one frozen record per row. Torch-free, so that any stage may name the type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "stop_string", "length", "nonfinite"]
"""Why a row ended: end-of-turn token, a stop string, its token limit, or NaN/Inf in its logits."""


@dataclass(frozen=True, slots=True)
class GeneratedRow:
    """The text of one row and how it came about.

    `n_tokens` counts generated tokens without the end-of-turn token. `steered_tokens` counts the tokens whose activation an edit
    really touched. `displacement` is the mean over them of ||h' - h|| / ||h|| (None where nothing was steered).
    """

    row_id: str
    text: str
    n_tokens: int
    steered_tokens: int
    finish_reason: FinishReason
    displacement: float | None
