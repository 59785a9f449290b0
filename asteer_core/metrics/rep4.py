"""Rep-4: the share of a response's 4-grams that repeat an earlier one."""

from __future__ import annotations

from asteer_core.metrics._registry import Tokens, metric
from asteer_core.metrics.distinct4 import distinct4


@metric("rep4", needs="response", rises_with_diversity=False)
def rep4(tokens: Tokens) -> float:
    """Return 1 - distinct-4 of one response, 0 (nothing repeated) to below 1 (a loop).

    Source: Welleck et al. 2020, https://arxiv.org/abs/1908.04319.
    """
    return 1.0 - distinct4(tokens)
