"""Compression ratio: how much shorter the corpus gets when written once."""

from __future__ import annotations

import lzma
from collections.abc import Sequence

from asteer_core.errors import DataError
from asteer_core.metrics._registry import Tokens, metric

SMALLEST, LARGEST = 1 << 12, 1 << 26
"""Bytes that a dictionary may have: the least of the format, and that of preset 9."""


@metric("compression_ratio", needs="corpus", rises_with_diversity=False)
def compression_ratio(corpus: Sequence[Tokens]) -> float:
    """Return bytes / compressed bytes of the joined texts, above 0; larger means more repetition. Compare at equal sizes only.

    LZMA, because gzip looks back 32 KB and does not see what repeats further away.

    Raises:
        DataError: all texts are empty.

    Source: Shaib et al. 2024, https://arxiv.org/abs/2403.00553.
    """
    joined = "\n".join(" ".join(tokens) for tokens in corpus).encode("utf-8", "surrogatepass")
    if not joined.strip():
        raise DataError(f"compression ratio: {len(corpus)} texts hold no token; there is nothing to compress")
    # A dictionary as large as the texts finds what a larger one finds, and 64 MiB need not be cleared for each subsample.
    size = min(max(len(joined), SMALLEST), LARGEST)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}]
    return len(joined) / len(lzma.compress(joined, lzma.FORMAT_RAW, filters=filters))
