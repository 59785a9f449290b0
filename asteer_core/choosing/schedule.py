"""Rungs of successive halving: how many configurations answer how many prompts, within a budget of responses.

Prompts are nested: a later rung keeps the responses of the earlier ones and pays only for the new prompts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from asteer_core.errors import ConfigError

FIRST = (16, 12, 8, 6, 4)
"""First rungs that are tried, from the most trustworthy down."""

STEP = 4
"""Prompts grow by this factor from rung to rung where the caller names no rungs: 16, 64, 256."""

ETAS = (2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, slots=True)
class Rung:
    """One round: `configurations` are compared with one another on the same first `prompts` prompts."""

    prompts: int
    configurations: int


def cost(rungs: Sequence[Rung], samples: int = 1) -> int:
    """Return the responses that the rungs take together, prompts being nested."""
    before = [0, *(rung.prompts for rung in rungs)]
    return samples * sum(rung.configurations * (rung.prompts - paid) for rung, paid in zip(rungs, before, strict=False))


def schedule(candidates: int, budget: int, largest: int, prompts: Sequence[int] | None = None, samples: int = 1) -> tuple[Rung, ...]:
    """Return the rungs that spend the budget best: the last has `largest` prompts (or the last of `prompts`), and one configuration, or
    as many as are left money for. Where the budget carries every configuration in full, that is the only rung.

    Without `prompts`, rungs grow fourfold from the largest first rung at which more than one configuration survives; with them, the
    mildest cut that the budget covers is taken.

    Args:
        candidates: configurations at the start.
        budget: responses at most.
        largest: prompts of the last rung.
        prompts: prompts of each rung, rising.
        samples: responses per prompt.

    Raises:
        ConfigError: prompts that do not rise, or a budget that not even the smallest schedule fits into; names what would fit.
    """
    if candidates < 1 or largest < 1:
        raise ConfigError(f"search: {candidates} configurations and {largest} prompts; at least one of each is needed")
    sizes = _sizes(largest, prompts)
    if prompts is None and candidates * largest * samples <= budget:
        return (Rung(largest, candidates),)
    fitting = [_mildest(candidates, budget, one, samples) for one in sizes]
    # A single survivor of the first rung means that everything hangs on the noisiest comparison.
    several = [rungs for rungs in fitting if rungs and (len(rungs) < 3 or rungs[1].configurations >= min(2, candidates))]
    found = next(iter(several), None) or next((rungs for rungs in fitting if rungs), None)
    if found is None:
        enough = least(candidates, largest, prompts, samples)
        raise ConfigError(
            f"search: a budget of {budget} responses is too small for {candidates} configurations and a set of {sizes[0][-1]} prompts; "
            f"the least is {enough}: raise --budget, or give fewer methods, layers, strengths or prompts"
        )
    return found


def least(candidates: int, largest: int, prompts: Sequence[int] | None = None, samples: int = 1) -> int:
    """Return the smallest budget, in responses, that `schedule` accepts for the same arguments.

    Raises:
        ConfigError: prompts that do not rise.
    """
    return min(cost(_cut(candidates, one, float(candidates)), samples) for one in _sizes(largest, prompts))


def _sizes(largest: int, prompts: Sequence[int] | None) -> list[tuple[int, ...]]:
    """Return the prompts of each rung, for every first rung that may be tried."""
    if prompts is None:
        return [_growing(first, largest) for first in FIRST if first <= largest] or [(largest,)]
    if not prompts or list(prompts) != sorted(set(prompts)) or prompts[0] < 2:
        raise ConfigError(f"search rungs {list(prompts)}: expected rising numbers of prompts of at least 2, such as 16,64,256")
    return [tuple(prompts)]


def _growing(first: int, largest: int) -> tuple[int, ...]:
    sizes = [first]
    while sizes[-1] * STEP < largest:
        sizes.append(sizes[-1] * STEP)
    return (*sizes, largest) if sizes[-1] < largest else tuple(sizes)


def _mildest(candidates: int, budget: int, sizes: Sequence[int], samples: int) -> tuple[Rung, ...] | None:
    tried = (_cut(candidates, sizes, eta) for eta in (*ETAS, float(candidates)))
    rungs = next((rungs for rungs in tried if cost(rungs, samples) <= budget), None)
    return rungs and _widened(rungs, budget, samples)


def _cut(candidates: int, sizes: Sequence[int], eta: float) -> tuple[Rung, ...]:
    counts = [max(1, int(candidates / eta**place)) for place in range(len(sizes))]
    if len(sizes) > 1:
        counts[-1] = 1
    return tuple(Rung(*pair) for pair in zip(sizes, counts, strict=True))


def _widened(rungs: tuple[Rung, ...], budget: int, samples: int) -> tuple[Rung, ...]:
    """Return the rungs with what is left of the budget spent on further survivors, at the earlier rungs first.

    Several configurations on all prompts decide better than few prompts do, so the last rung is widened too.
    """
    counts = [rung.configurations for rung in rungs]
    for place in range(1, len(counts)):
        for wider in itertools.count(counts[place] + 1):
            trial = [*counts[:place], wider, *counts[place + 1 :]]
            made = tuple(Rung(rung.prompts, count) for rung, count in zip(rungs, trial, strict=True))
            if wider > counts[place - 1] or cost(made, samples) > budget:
                break
            counts = trial
    return tuple(Rung(rung.prompts, count) for rung, count in zip(rungs, counts, strict=True))
