"""Blocks and strengths that a study leaves to be found: a pilot at every block, and a search for every KL target.

What does not belong here: the arithmetic of both (`asteer_core.selection`), and reading the outcome (`_resolution.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.methods import Method
from asteer_core.selection import Calibrated, Pilot, Ranked, calibrate, rank_blocks
from asteer_core.study.plan import asked_of
from asteer_core.study.recipes import method_of
from asteer_core.study.stages._pilot import Reading, pilot_readings
from asteer_core.study.stages._probe import divergences
from asteer_core.study.workspace import Workspace
from asteer_core.types import Intervention, SteeringVector

Vectors = Mapping[int, SteeringVector]


def searched(ws: Workspace, key: str) -> bool:
    """Return whether the study leaves the block of a vector to be found."""
    return any(place.rank is not None for place, _ in asked_of(ws.study, key, ws.depth))


def ranking(ws: Workspace, concept: str, key: str, vectors: Vectors, problems: Mapping[int, str]) -> list[Ranked]:
    """Return every block in order with its held-out separation and, where the study leaves blocks to be found, its pilot and rank.

    Args:
        vectors: block -> fitted vector.
        problems: block -> why no vector could be fitted there.
    """
    if searched(ws, key):
        pilots = _with_effects(ws, concept, key, vectors, [_pushed(ws, concept, key, vector) for vector in vectors.values()])
    else:
        pilots = [Pilot(block, vector.separation) for block, vector in vectors.items()]
    pilots += [Pilot(block, problem=problem) for block, problem in problems.items()]
    return rank_blocks(sorted(pilots, key=lambda pilot: pilot.block))


def searches(ws: Workspace, concept: str, key: str, vectors: Vectors, ranked: Sequence[Ranked]) -> dict[int, list[Calibrated]]:
    """Return block -> the outcome for every KL target that the study asks for there."""
    blocks = {found.rank: found.pilot.block for found in ranked if found.rank is not None}
    wanted: dict[int, list[float]] = {}
    for place, push in asked_of(ws.study, key, ws.depth):
        block = place.layer if place.rank is None else blocks.get(place.rank)
        if push.kl is not None and block is not None:
            wanted.setdefault(block, []).append(push.kl)
    return {block: _calibrate(ws, concept, key, vectors[block], sorted(set(targets))) for block, targets in wanted.items()}


def used_blocks(ws: Workspace, key: str, ranked: Sequence[Ranked]) -> list[int]:
    """Return the blocks that the study steers with one vector, sorted."""
    blocks = {found.rank: found.pilot.block for found in ranked if found.rank is not None}
    asked = (place.layer if place.rank is None else blocks.get(place.rank) for place, _ in asked_of(ws.study, key, ws.depth))
    return sorted({block for block in asked if block is not None})


def _calibrate(ws: Workspace, concept: str, key: str, vector: SteeringVector, targets: list[float]) -> list[Calibrated]:
    model, method = key.split(":")[0], method_of(ws.study, key)

    def measure(strengths: Sequence[float]) -> list[float]:
        return divergences(ws, concept, model, [_push(method, vector, strength) for strength in strengths])

    return calibrate(measure, targets, method.max_strength, ws.study.selection.tolerance)


def _pushed(ws: Workspace, concept: str, key: str, vector: SteeringVector) -> Pilot:
    """Return the pilot of one block before its effect is known: the strength that has the pilot's KL."""
    method = method_of(ws.study, key)
    try:
        if not method.has_dial:
            [kl] = divergences(ws, concept, key.split(":")[0], [_push(method, vector, None)])
            return Pilot(vector.block, vector.separation, None, kl)
        [found] = _calibrate(ws, concept, key, vector, [ws.study.selection.pilot_kl])
    except AsteerError as error:
        return Pilot(vector.block, vector.separation, problem=str(error))
    return Pilot(vector.block, vector.separation, found.strength, found.kl, problem=found.reason)


def _with_effects(ws: Workspace, concept: str, key: str, vectors: Vectors, pilots: list[Pilot]) -> list[Pilot]:
    method = method_of(ws.study, key)
    tried = {pilot.block: _push(method, vectors[pilot.block], pilot.strength) for pilot in pilots if pilot.kl is not None}
    readings = pilot_readings(ws, concept, key.split(":")[0], tried)
    return [_read(pilot, readings.get(pilot.block)) for pilot in pilots]


def _read(pilot: Pilot, reading: Reading | None) -> Pilot:
    if pilot.problem or reading is None:
        return replace(pilot, problem=pilot.problem or "every reply to the pilot's prompts was empty")
    problem = None if pilot.separation is not None else "there are no held-out pairs to tell its separation"
    return replace(pilot, effect=reading.effect, fluency=reading.fluency, problem=problem)


def _push(method: Method, vector: SteeringVector, strength: float | None) -> Intervention:
    return Intervention(method.edits(vector, strength), gate=method.gate(vector))


LAYERS_SCHEMA: dict[str, Any] = {
    "study": pl.String, "concept": pl.String, "model": pl.String, "method": pl.String, "layer": pl.Int64, "separation": pl.Float64,
    "pilot_strength": pl.Float64, "pilot_kl": pl.Float64, "pilot_effect": pl.Float64, "pilot_fluency": pl.Float64,
    "score": pl.Float64, "rank": pl.Int64, "reason": pl.String, "seed": pl.Int64,
}  # fmt: skip
STRENGTHS_SCHEMA: dict[str, Any] = {
    "study": pl.String, "concept": pl.String, "model": pl.String, "method": pl.String, "layer": pl.Int64, "kl_target": pl.Float64,
    "trial": pl.Int64, "strength": pl.Float64, "kl": pl.Float64, "chosen": pl.Boolean, "reason": pl.String, "seed": pl.Int64,
}  # fmt: skip


def layer_rows(ws: Workspace, concept: str, key: str, ranked: Sequence[Ranked]) -> pl.DataFrame:
    """Return the table `vector_layers` of one vector."""
    rows = [
        {
            **_owner(ws, concept, key),
            "layer": found.pilot.block,
            "separation": found.pilot.separation,
            "pilot_strength": found.pilot.strength,
            "pilot_kl": found.pilot.kl,
            "pilot_effect": found.pilot.effect,
            "pilot_fluency": found.pilot.fluency,
            "score": found.score,
            "rank": found.rank,
            "reason": found.reason,
        }
        for found in ranked
    ]
    return pl.DataFrame(rows, schema=LAYERS_SCHEMA)


def strength_rows(ws: Workspace, concept: str, key: str, found: Mapping[int, Sequence[Calibrated]]) -> pl.DataFrame:
    """Return the table `strength_search` of one vector: everything tried for every target."""
    rows = []
    for block, results in found.items():
        for result in results:
            for number, trial in enumerate(result.trials):
                chosen = result.strength == trial.strength
                tried = {"trial": number, "strength": trial.strength, "kl": trial.kl, "chosen": chosen, "reason": result.reason}
                rows.append({**_owner(ws, concept, key), "layer": block, "kl_target": result.target, **tried})
    return pl.DataFrame(rows, schema=STRENGTHS_SCHEMA).with_columns(pl.col("kl").fill_nan(None))


def _owner(ws: Workspace, concept: str, key: str) -> dict[str, Any]:
    model, method = key.split(":")
    return {"study": ws.study.name, "concept": concept, "model": model, "method": method, "seed": ws.study.seed}
