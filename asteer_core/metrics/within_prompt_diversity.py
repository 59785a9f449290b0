"""Within-prompt diversity: how different several replies to ONE prompt are. Set diversity mixes this with the variety of prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics.vendi import unit_rows, vendi


def within_prompt_diversity(embeddings: np.ndarray, prompt_ids: Sequence[str], k: int) -> float:
    """Return the mean over prompts of ln(Vendi) / ln(k) of k replies to the same prompt, 0 (all k alike) to 1.

    Prompts with fewer than k replies are left out; of more, the first k count, so that the value does not depend on how many there are.

    Args:
        embeddings: [text, d_embed].
        prompt_ids: the prompt that each text answers.
        k: replies per prompt, at least 2; values of different k are not comparable.

    Raises:
        DataError: k below 2, no prompt with k replies, or an embedding that is zero or not finite.

    Source: Friedman and Dieng 2023, https://arxiv.org/abs/2210.02410, per prompt as in Kirk et al. 2024, https://arxiv.org/abs/2310.06452.
    """
    if k < 2 or len(prompt_ids) != len(embeddings):
        raise DataError(f"within-prompt diversity: k={k}, {len(embeddings)} texts, {len(prompt_ids)} prompts; expected k >= 2 and pairs")
    unit = unit_rows(embeddings, "within-prompt diversity")
    rows: dict[str, list[int]] = {}
    for row, prompt in enumerate(prompt_ids):
        rows.setdefault(str(prompt), []).append(row)
    shares = [math.log(vendi(unit[some[:k]])) / math.log(k) for some in rows.values() if len(some) >= k]
    if not shares:
        most = max(map(len, rows.values()))
        raise DataError(f"within-prompt diversity: no prompt has k={k} replies (at most {most}); raise size.samples, or lower k")
    return float(np.clip(np.mean(shares), 0.0, 1.0))
