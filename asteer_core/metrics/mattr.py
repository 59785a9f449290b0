"""Moving-average type-token ratio: lexical variety that does not fall with length."""

from __future__ import annotations

from collections import Counter

from asteer_core.errors import ConfigError
from asteer_core.metrics._registry import Tokens, metric


@metric("mattr", needs="response")
def mattr(words: Tokens, window: int = 50) -> float:
    """Return the mean share of types over all windows of one response, 0 to 1; below `window` words, types / `window`.

    The shorter form is not the usual fall-back (types / length, which is 1 for a one-word reply): short text is penalised on purpose.

    Raises:
        ConfigError: a window below 1.

    Source: Covington and McFall 2010, https://doi.org/10.1080/09296171003643098.
    """
    if window < 1:
        raise ConfigError(f"mattr: window {window}; expected at least one word")
    counts = Counter(words[:window])
    if len(words) <= window:
        return len(counts) / window
    types = total = len(counts)
    for leaving, entering in zip(words, words[window:], strict=False):
        counts[entering] += 1
        types += counts[entering] == 1
        counts[leaving] -= 1
        types -= counts[leaving] == 0
        total += types
    return total / (window * (len(words) - window + 1))
