"""Mean activations over responses for probes: what cannot be read (no tokens, longer than the context) is NaN, not an error.

What does not belong here: the forward passes (`activations.py`) and the probe (`asteer_core.detectors.activation_probe`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asteer_core.model.activations import capture
from asteer_core.model.loading import LanguageModel


def activations_of(
    model: LanguageModel, prompts: Sequence[str], responses: Sequence[str], blocks: Sequence[int]
) -> dict[tuple[str, int], np.ndarray]:
    """Return (model name, block) -> float32 [row, d_model]; rows of equal prompt and response are read once."""
    pairs = list(dict.fromkeys(zip(prompts, responses, strict=True)))
    encoded = model.prompter.encode_pairs([pair[0] for pair in pairs], [pair[1] for pair in pairs], [None] * len(pairs))
    longest = model.context_length or float("inf")
    readable = [row for row, pair in enumerate(encoded) if pair.start < len(pair.ids) <= longest]
    found = {block: np.full((len(pairs), model.d_model), np.nan, dtype=np.float32) for block in blocks}
    if readable:
        read = capture(model, [pairs[row][0] for row in readable], [pairs[row][1] for row in readable], blocks)
        for block in blocks:
            found[block][readable] = read[block]
    place = {pair: row for row, pair in enumerate(pairs)}
    rows = [place[pair] for pair in zip(prompts, responses, strict=True)]
    return {(model.name, block): values[rows] for block, values in found.items()}
