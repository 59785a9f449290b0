"""A mixture of configurations: blocks of responses, each from whichever configuration raises the pooled value most."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Mixture:
    """The chosen rows, in the order of choice, and how many came from each configuration (those with none are left out)."""

    rows: np.ndarray
    counts: dict[str, int]


def greedy_mixture(pools: Mapping[str, Sequence[int]], size: int, value: Callable[[np.ndarray], float | None], blocks: int = 8) -> Mixture:
    """Return a mixture of `size` rows: block after block goes to the configuration with which the pool so far is worth most.

    Candidates of one step are sets of one size, so that a value which depends on the size of a corpus compares fairly.

    Args:
        pools: configuration -> row numbers, taken in this order; on equal values the earlier configuration gets the block.
        size: rows in all.
        value: row numbers -> worth of the pooled set; None is worth least.
        blocks: steps; a configuration can have multiples of size / blocks.

    Raises:
        DataError: the pools hold fewer than `size` rows, or size or blocks is below 1.
    """
    held = sum(len(rows) for rows in pools.values())
    if size < 1 or blocks < 1 or held < size:
        raise DataError(f"mixture: {size} rows in {blocks} blocks from pools of {held}; ask for fewer rows, or lower the thresholds")
    taken = dict.fromkeys(pools, 0)
    chosen: list[int] = []
    while len(chosen) < size:
        block = min(-(-size // blocks), size - len(chosen))
        # Configurations with less than a block left give what they have once nobody has a whole one.
        able = [name for name in pools if len(pools[name]) - taken[name] >= block]
        if not able:
            block = max(len(pools[name]) - taken[name] for name in pools)
            able = [name for name in pools if len(pools[name]) - taken[name] == block]
        offers = {name: [*chosen, *pools[name][taken[name] : taken[name] + block]] for name in able}
        worth = {name: value(np.array(rows)) for name, rows in offers.items()}
        best = max(able, key=lambda name: -math.inf if worth[name] is None else float(worth[name] or 0.0))
        chosen, taken[best] = offers[best], taken[best] + block
    return Mixture(np.array(chosen), {name: count for name, count in taken.items() if count})
