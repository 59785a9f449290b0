"""Distinct-4: the share of a response's 4-grams that are different."""

from __future__ import annotations

from asteer_core.metrics._registry import Tokens, metric

ORDER = 4


@metric("distinct4", needs="response")
def distinct4(tokens: Tokens) -> float:
    """Return unique / total 4-grams of one response, above 0 to 1; 1 where there are fewer than four tokens, as nothing is repeated.

    Source: Li et al. 2016, https://arxiv.org/abs/1510.03055.
    """
    total = len(tokens) - ORDER + 1
    if total <= 1:
        return 1.0
    return len(set(zip(*(tokens[i:] for i in range(ORDER)), strict=False))) / total
