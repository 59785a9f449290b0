"""Steering vectors: activations of the contrastive pairs in, one vector per planned block out."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.methods import fit_vector, save_vectors
from asteer_core.study.done import Done, Failures
from asteer_core.study.plan import blocks_of
from asteer_core.study.recipes import method_of
from asteer_core.study.runs import recorded
from asteer_core.study.stages._material import given_for, material_key
from asteer_core.study.stages._run import Frames, Partition, Stage, upstream
from asteer_core.study.workspace import Workspace
from asteer_core.types import Positions, SteeringVector, fingerprint

VERSION = 1
SCALE_PROMPTS = 64
"""Generation prompts whose unsteered replies give the median residual norm of a block."""

Sides = tuple[np.ndarray, np.ndarray]
"""(violating, compliant) activations, each float32 [pair, d_model]."""


@recorded
def steering_vectors(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, vector key): safetensors, and a row per block in `steering_vectors`."""
    yield from _STAGE.run(ws, pairs)


def vector_path(ws: Workspace, concept: str, vector_key: str | None) -> Path:
    """Return where the vectors of one concept, model and method are stored."""
    return ws.store.artifact("vectors", concept, str(vector_key), ".safetensors")


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    model, method = str(key).split(":")[0], method_of(ws.study, str(key))
    settings = [
        method.name,
        method.positions,
        material_key(ws, concept, str(key)),
        blocks_of(ws.study, str(key), ws.depth),
        str(ws.study.sampling),
        ws.study.seed,
        SCALE_PROMPTS,
    ]
    inputs = [upstream(ws, "contrastive_pairs", concept, None), ws.model_fingerprint(model), ws.concept(concept).fingerprint]
    return fingerprint(["steering_vectors", VERSION, concept, key, settings, inputs])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    # Models outermost, so that each is loaded once.
    ordered = sorted(partitions, key=lambda partition: (str(partition[1]).split(":")[0], partition[0]))
    for number, (concept, key) in enumerate(ordered):
        ws.report("steering_vectors", number, len(ordered), f"{concept}, {key}")
        try:
            vectors = _fit(ws, concept, str(key))
            save_vectors(vector_path(ws, concept, key), vectors)
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        yield (concept, key), {"steering_vectors": pl.DataFrame([_row(ws, str(key), vector) for vector in vectors], schema=_SCHEMA)}


def _fit(ws: Workspace, concept: str, key: str) -> list[SteeringVector]:
    model, method = key.split(":")[0], method_of(ws.study, key)
    positions = method.positions
    train, heldout = (_activations(ws, concept, model, split, positions) for split in ("extraction", "extraction_heldout"))
    candidates = np.stack([(positive - negative).mean(axis=0, dtype=np.float64) for positive, negative in train.values()])
    scales = _scales(ws, concept, model)
    facts = {
        "model_fingerprint": ws.model_fingerprint(model),
        "model_revision": ws.model(model).revision,
        "chat_template_hash": ws.model(model).chat_template_hash,
        "concept_fingerprint": ws.concept(concept).fingerprint,
    }
    return [
        fit_vector(
            concept,
            model,
            method.name,
            block,
            train[block],
            heldout[block],
            scales[block],
            ws.rng("vector", concept, key),
            given_for(ws, concept, key, block, candidates, scales[block]),
            facts,
        )
        for block in blocks_of(ws.study, key, ws.depth)
    ]


def _activations(ws: Workspace, concept: str, model: str, split: str, positions: Positions) -> dict[int, Sides]:
    """Return block -> activations of one split of the pairs; all methods of a model share them."""

    def capture_both() -> dict[int, Sides]:
        from asteer_core.model import capture

        pairs = ws.concept(concept).pairs.filter(pl.col("split") == split)
        language_model = ws.model(model)
        blocks = range(language_model.n_blocks)
        sides = [
            capture(language_model, pairs["prompt"].to_list(), pairs[side].to_list(), blocks, positions)
            for side in ("violating", "compliant")
        ]
        return {block: (sides[0][block], sides[1][block]) for block in blocks}

    return ws.remember(("activations", concept, model, split, positions), capture_both)


def _scales(ws: Workspace, concept: str, model: str) -> dict[int, float]:
    """Return block -> median residual norm over unsteered replies to the concept's own prompts."""

    def measure() -> dict[int, float]:
        from asteer_core.model import residual_scale

        language_model = ws.model(model)
        prompts = ws.concept(concept).prompts["prompt"].head(SCALE_PROMPTS).to_list()
        sampling = replace(ws.study.sampling, min_new_tokens=min(4, ws.study.sampling.max_new_tokens))
        return residual_scale(language_model, prompts, range(language_model.n_blocks), sampling)

    return ws.remember(("scale", concept, model), measure)


_SCHEMA: dict[str, Any] = {
    "study": pl.String, "concept": pl.String, "model": pl.String, "method": pl.String, "layer": pl.Int64, "seed": pl.Int64,
    "scale": pl.Float64, "separation": pl.Float64, "cosine_to_mean_difference": pl.Float64,
    "n_pairs": pl.Int64, "pairs_dropped": pl.Int64, "heldout_pairs": pl.Int64, "positions": pl.String, "path": pl.String,
}  # fmt: skip


def _row(ws: Workspace, key: str, vector: SteeringVector) -> dict[str, Any]:
    path = vector_path(ws, vector.concept, key)
    return {
        "study": ws.study.name,
        "concept": vector.concept,
        "model": vector.model,
        "method": key.split(":")[1],
        "layer": vector.block,
        "seed": ws.study.seed,
        "scale": vector.scale,
        "separation": vector.separation,
        "cosine_to_mean_difference": vector.cosine_to_mean_difference,
        "n_pairs": vector.metadata.get("pairs_used"),
        **{name: vector.metadata.get(name) for name in ("pairs_dropped", "heldout_pairs", "positions")},
        # Relative to the study's folder, so that a moved home stays valid.
        "path": str(path.relative_to(ws.store.root)),
    }


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    best = frame.sort("separation", descending=True, nulls_last=True).row(0, named=True)
    shown = ("separation", "cosine_to_mean_difference", "scale", "n_pairs", "pairs_dropped")
    return {"metadata": {"blocks": frame.height, **{name: best[name] for name in shown}}}


_STAGE = Stage("steering_vectors", "steering_vectors", _key, _produce, _summarise, vector_path)
