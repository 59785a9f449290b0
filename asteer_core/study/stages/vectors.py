"""Steering vectors: activations of the contrastive pairs in, one vector per planned block out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import AsteerError, DataError
from asteer_core.methods import Need, fit_vector
from asteer_core.selection import is_weak
from asteer_core.study.done import Done, Failures
from asteer_core.study.plan import asked_of, blocks_of
from asteer_core.study.recipes import method_of
from asteer_core.study.runs import recorded
from asteer_core.study.stages._activations import SCALE_PROMPTS, activations, scales_of
from asteer_core.study.stages._choices import layer_rows, ranking, searched, searches, strength_rows, used_blocks
from asteer_core.study.stages._material import given_for, material_key
from asteer_core.study.stages._probe import PROBE_TEXTS
from asteer_core.study.stages._resolution import LAYERS, STRENGTHS
from asteer_core.study.stages._run import Frames, Partition, Stage, upstream
from asteer_core.study.stages._vector_cards import describe_choice
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration, SteeringVector, fingerprint
from asteer_core.vector_files import save_vectors
from asteer_core.warehouse.files import replace_file

VERSION = 2
CHEAP: frozenset[Need] = frozenset({"candidates", "tuning"})
"""Needs of methods that are fitted at every block, whether the study steers there or not."""


@recorded
def steering_vectors(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, vector key): safetensors, and a row per block in `steering_vectors`."""
    yield from _STAGE.run(ws, pairs)


def vector_path(ws: Workspace, concept: str, vector_key: str | None) -> Path:
    """Return where the vectors of one concept, model and method are stored."""
    return ws.store.artifact("vectors", concept, str(vector_key), ".safetensors")


def vector_content(ws: Workspace, concept: str, vector_key: str, configuration: Configuration) -> str:
    """Return the content key of what a configuration takes from a stored vector.

    Where the study itself names block and strength, that is the fit of this block alone: a study may then ask the method for further
    blocks and strengths without its corpora being made again.

    Raises:
        StoreError: the vector is not there yet.
    """
    stored = upstream(ws, "steering_vectors", concept, vector_key)
    if configuration.layer_rank is not None or configuration.kl_target is not None:
        return stored
    # Once per vector and not per configuration: the key of all that is asked grows with their number.
    pairs = upstream(ws, "contrastive_pairs", concept, None)
    keys = ("vector keys", concept, vector_key, pairs)
    fit, whole = ws.remember(keys, lambda: (_fit_key(ws, concept, vector_key), _key(ws, concept, vector_key)))
    return fit if stored == whole else stored


def _fit_key(ws: Workspace, concept: str, key: str) -> str:
    """Return the content key of the arrays of every block: each is fitted by itself, whatever else the study asks."""
    method = method_of(ws.study, key)
    settings = [method.name, method.positions, material_key(ws, concept, key), ws.study.seed, SCALE_PROMPTS, PROBE_TEXTS]
    model = ws.model_fingerprint(key.split(":")[0])
    inputs = [upstream(ws, "contrastive_pairs", concept, None), model, ws.concept(concept).fingerprint]
    return fingerprint(["steering_vectors", VERSION, concept, key, settings, inputs])


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    asked, tau = asked_of(ws.study, str(key), ws.depth), ws.study.metrics.tau if searched(ws, str(key)) else None
    return fingerprint([_fit_key(ws, concept, str(key)), str(asked), str(ws.study.selection), tau, str(ws.study.sampling)])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    # Models outermost, so that each is loaded once.
    ordered = sorted(partitions, key=lambda partition: (str(partition[1]).split(":")[0], partition[0]))
    for number, (concept, key) in enumerate(ordered):
        ws.report("steering_vectors", number, len(ordered), f"{concept}, {key}")
        try:
            frames = _make(ws, concept, str(key))
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        yield (concept, key), frames


def _make(ws: Workspace, concept: str, key: str) -> Frames:
    """Fit, choose, store the arrays, and return the tables of one vector."""
    fitted, problems = _fit(ws, concept, key)
    ranked = ranking(ws, concept, key, fitted, problems)
    found = searches(ws, concept, key, fitted, ranked)
    vectors = _described(ws, fitted)
    replace_file(vector_path(ws, concept, key), lambda temporary: save_vectors(temporary, list(vectors.values())))
    rows = [_row(ws, key, vectors[block]) for block in used_blocks(ws, key, ranked)]
    return {
        LAYERS: layer_rows(ws, concept, key, ranked),
        STRENGTHS: strength_rows(ws, concept, key, found),
        "steering_vectors": pl.DataFrame(rows, schema=_SCHEMA),
    }


def _fit(ws: Workspace, concept: str, key: str) -> tuple[dict[int, SteeringVector], dict[int, str]]:
    """Return block -> vector, and block -> why there is none; a block that the study names must have one.

    All blocks are fitted where that is cheap: the separation along the depth shows whether the study steers at a sensible one.
    """
    model, method = key.split(":")[0], method_of(ws.study, key)
    positions = method.positions
    named = blocks_of(ws.study, key, ws.depth)
    ws.model(model).check_blocks(named, f"concept {concept}, {key}")
    everywhere = searched(ws, key) or method.needs <= CHEAP
    train, heldout = (activations(ws, concept, model, split, positions) for split in ("extraction", "extraction_heldout"))
    candidates = np.stack([(positive - negative).mean(axis=0, dtype=np.float64) for positive, negative in train.values()])
    scales = scales_of(ws, concept, model)
    facts = {
        "model_fingerprint": ws.model_fingerprint(model),
        "model_revision": ws.model(model).revision,
        "chat_template_hash": ws.model(model).chat_template_hash,
        "concept_fingerprint": ws.concept(concept).fingerprint,
    }
    vectors: dict[int, SteeringVector] = {}
    problems: dict[int, str] = {}
    for block in train if everywhere else named:
        more = facts | {"norm_share": float(np.linalg.norm(candidates[block]) / scales[block])}
        rng = ws.rng("vector", concept, key)
        try:
            given = given_for(ws, concept, key, block, candidates, scales[block])
            vectors[block] = fit_vector(concept, model, method.name, block, train[block], heldout[block], scales[block], rng, given, more)
        except AsteerError as error:
            if block in named:
                raise
            problems[block] = str(error)
    if not vectors:
        raise DataError(f"concept {concept}, {key}: no block has a direction; " + "; ".join(problems.values()))
    return vectors, problems


def _described(ws: Workspace, vectors: dict[int, SteeringVector]) -> dict[int, SteeringVector]:
    """Return the vectors with what their cards show: the tokens they move, and the separation at every block."""
    from asteer_core.model import top_tokens

    curve = {str(block): vector.separation for block, vector in vectors.items()}
    model = ws.model(next(iter(vectors.values())).model)
    tokens = top_tokens(model, [vector.direction for vector in vectors.values()])
    return {
        block: replace(vector, metadata={**vector.metadata, "separation_by_block": curve, "tokens_towards": up, "tokens_away": down})
        for (block, vector), (up, down) in zip(vectors.items(), tokens, strict=True)
    }


_SCHEMA: dict[str, Any] = {
    "study": pl.String, "concept": pl.String, "model": pl.String, "method": pl.String, "layer": pl.Int64, "seed": pl.Int64,
    "scale": pl.Float64, "separation": pl.Float64, "cosine_to_mean_difference": pl.Float64,
    "weak": pl.Boolean, "norm_share": pl.Float64, "tokens_towards": pl.String, "tokens_away": pl.String,
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
        "weak": is_weak(vector, ws.study.selection.min_separation),
        "norm_share": vector.metadata.get("norm_share"),
        **{name: json.dumps(vector.metadata.get(name), ensure_ascii=False) for name in ("tokens_towards", "tokens_away")},
        "n_pairs": vector.metadata.get("pairs_used"),
        **{name: vector.metadata.get(name) for name in ("pairs_dropped", "heldout_pairs", "positions")},
        # Relative to the study's folder, so that a moved home stays valid.
        "path": str(path.relative_to(ws.store.root)),
    }


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    best = frame.sort("separation", descending=True, nulls_last=True).row(0, named=True)
    shown = ("separation", "cosine_to_mean_difference", "norm_share", "scale", "n_pairs", "pairs_dropped", "heldout_pairs")
    return {"metadata": {"blocks": frame.height, **{name: best[name] for name in shown}}}


_STAGE = Stage("steering_vectors", "steering_vectors", _key, _produce, _summarise, vector_path, describe_choice)
