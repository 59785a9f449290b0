"""MTLD: how many words a text runs on before its vocabulary is spent."""

from __future__ import annotations

from asteer_core.metrics._registry import Tokens, metric

THRESHOLD = 0.72


@metric("mtld", needs="response")
def mtld(tokens: Tokens) -> float:
    """Return the mean length, in tokens, of stretches whose type-token ratio stays above 0.72; the mean of both reading directions.

    0 for an empty text. Where no token repeats, no stretch ends, and the length of the text stands in.

    Source: McCarthy and Jarvis 2010, https://doi.org/10.3758/BRM.42.2.381.
    """
    return (_one_way(tokens) + _one_way(list(reversed(tokens)))) / 2


def _one_way(tokens: Tokens) -> float:
    factors, seen, length = 0.0, set[str](), 0
    for token in tokens:
        length += 1
        seen.add(token)
        if len(seen) / length < THRESHOLD:
            factors, seen, length = factors + 1, set[str](), 0
    if length:
        # The unfinished stretch counts by how far its ratio has fallen.
        factors += (1 - len(seen) / length) / (1 - THRESHOLD)
    return len(tokens) / factors if factors else float(len(tokens))
