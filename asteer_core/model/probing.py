"""Mean activations over responses for probes: a pair longer than the context is cut to fit, a response without tokens is NaN.

What does not belong here: the forward passes (`activations.py`) and the probe (`asteer_core.detectors.activation_probe`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asteer_core.model.activations import pooled, weights_of
from asteer_core.model.loading import LanguageModel
from asteer_core.model.prompts import TokenPair


def activations_of(
    model: LanguageModel, prompts: Sequence[str], responses: Sequence[str], blocks: Sequence[int]
) -> dict[tuple[str, int], np.ndarray]:
    """Return (model name, block) -> float32 [row, d_model], means over the tokens of the response; equal rows are read once.

    A pair that is longer than the model's context loses the beginning of its prompt, and where the response alone takes more than half
    of the context, the end of the response: one long text must not cost a study its probe.
    """
    pairs = list(dict.fromkeys(zip(prompts, responses, strict=True)))
    encoded = model.prompter.encode_pairs([pair[0] for pair in pairs], [pair[1] for pair in pairs], [None] * len(pairs))
    fitted = [fit_context(pair, model.context_length) for pair in encoded]
    readable = [row for row, (ids, start) in enumerate(fitted) if start < len(ids)]
    found = {block: np.full((len(pairs), model.d_model), np.nan, dtype=np.float32) for block in blocks}
    if readable:
        weights = [weights_of(TokenPair(*fitted[row], encoded[row].bos), "mean") for row in readable]
        read = pooled(model, [fitted[row][0] for row in readable], weights, blocks)
        for block in blocks:
            found[block][readable] = read[block]
    place = {pair: row for row, pair in enumerate(pairs)}
    rows = [place[pair] for pair in zip(prompts, responses, strict=True)]
    return {(model.name, block): values[rows] for block, values in found.items()}


def fit_context(pair: TokenPair, longest: int | None) -> tuple[list[int], int]:
    """Return the ids of a pair in at most `longest` tokens, and where the response begins; BOS stays in front."""
    if longest is None or len(pair.ids) <= longest:
        return pair.ids, pair.start
    prompt, response = pair.ids[: pair.start], pair.ids[pair.start :]
    response = response[: max(longest - len(prompt), (longest + 1) // 2)]
    room = longest - len(response) - pair.bos
    if len(prompt) - pair.bos > room:
        prompt = prompt[: pair.bos] + prompt[len(prompt) - room :]
    return prompt + response, len(prompt)
