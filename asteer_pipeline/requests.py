"""Run requests for what is unfinished of one model: rectangles of partitions, bounded in size, each with a key of its own.

What does not belong here: when a step is due (`sensors`), and what "unfinished" means (`asteer_core.study.state`).
"""

import os
from collections.abc import Iterator, Sequence

import dagster as dg

from asteer_core.errors import ConfigError
from asteer_core.study import Workspace
from asteer_core.study.state import is_current, unfinished
from asteer_pipeline.jobs import STEP_TAG, Step

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
CHAIN_TAG = "asteer/chain"
"""What caused the run, such as the arrival of a model; the runs of one chain follow each other step by step."""
MODEL_TAG = "asteer/model"
MOST_PARTITIONS = 200
"""Partitions per run, unless ASTEER_PARTITIONS_PER_RUN says otherwise: bounds what one failure can hold up, and spreads over workers."""

Rectangle = tuple[tuple[str, ...], tuple[str, ...]]
"""Neighbouring concepts x neighbouring keys."""


def partitions_per_run() -> int:
    """Return the bound on partitions of one run.

    Raises:
        ConfigError: the environment variable is not a number above 0.
    """
    text = os.environ.get("ASTEER_PARTITIONS_PER_RUN") or str(MOST_PARTITIONS)
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"ASTEER_PARTITIONS_PER_RUN={text!r}; expected a whole number above 0, such as {MOST_PARTITIONS}")
    return int(text)


def requests_of(ws: Workspace, step: Step, chain: str, model: str, most: int) -> list[dg.RunRequest]:
    """Return the runs that make what `model` lacks of a step; empty where nothing is missing or stale. `most`: partitions per run."""
    tags = {CHAIN_TAG: chain, MODEL_TAG: model, STEP_TAG: step.name}
    if step.axis is None:
        stale = any(not is_current(ws, asset) for asset in step.assets)
        return [_request(step, chain, step.name, tags)] if stale else []
    found = []
    for concepts, keys in rectangles(ws, step, model, most):
        first, last = ("|".join(part for part in (ends[0], ends[1]) if part) for ends in ((concepts[0], keys[0]), (concepts[-1], keys[-1])))
        found.append(_request(step, chain, f"{first}..{last}", tags | {RANGE_START: first, RANGE_END: last}))
    return found


def next_requests(ws: Workspace, steps: Sequence[Step], chain: str, model: str) -> list[dg.RunRequest]:
    """Return the runs of the first of `steps` in which something of `model` is unfinished; empty where everything is done."""
    for step in steps:
        found = requests_of(ws, step, chain, model, partitions_per_run())
        if found:
            return found
    return []


def rectangles(ws: Workspace, step: Step, model: str, most: int) -> Iterator[Rectangle]:
    """Yield the rectangles that cover what is unfinished of a step for `model`, none of more than `most` partitions where it can be."""
    keys = _keys(ws, step, model)
    wanted: dict[str, tuple[int, ...]] = {}
    for concept in ws.plan.concepts:
        lacking = {
            partition[1] or "" for asset in step.assets for partition in unfinished(ws, asset, [(concept, key or None) for key in keys])
        }
        wanted[concept] = tuple(place for place, key in enumerate(keys) if key in lacking)
    for concepts, places in _alike(wanted):
        rows = [concepts[start : start + most] for start in range(0, len(concepts), most)]
        for row in rows:
            width = max(1, most // len(row))
            for first, last in _neighbours(places):
                for start in range(first, last + 1, width):
                    yield row, tuple(keys[start : min(start + width, last + 1)])


def _keys(ws: Workspace, step: Step, model: str) -> list[str]:
    if step.axis == "":
        return [""]
    if step.axis == "model":
        return [model]
    every = ws.plan.vector_keys if step.axis == "vector" else ws.plan.configuration_keys
    return [key for key in every if key.split(":")[0] == model]


def _alike(wanted: dict[str, tuple[int, ...]]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Yield runs of neighbouring concepts that lack the same keys."""
    group: list[str] = []
    for concept, places in wanted.items():
        if group and wanted[group[-1]] != places:
            yield tuple(group), wanted[group[-1]]
            group = []
        group.append(concept)
    if group:
        yield tuple(group), wanted[group[-1]]


def _neighbours(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of every unbroken run of numbers."""
    start = 0
    for place in range(1, len(places) + 1):
        if place == len(places) or places[place] != places[place - 1] + 1:
            yield places[start], places[place - 1]
            start = place


def _request(step: Step, chain: str, part: str, tags: dict[str, str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{chain}/{step.name}/{part}", asset_selection=[dg.AssetKey.from_user_string(name) for name in step.assets], tags=tags
    )
