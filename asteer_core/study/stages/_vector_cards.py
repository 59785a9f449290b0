"""What is shown of stored vectors: their cards, the choice of blocks and strengths, and the cosines between methods.

What does not belong here: how a card looks (`asteer_pipeline`), and the arithmetic on it (`asteer_core.selection.cards`).
"""

from typing import Any

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.selection import VectorCard, card, cosines
from asteer_core.study.stages._resolution import LAYERS, STRENGTHS
from asteer_core.study.workspace import Workspace
from asteer_core.types import SteeringVector
from asteer_core.vector_files import load_vectors
from asteer_core.warehouse.files import is_present

SHOWN_REASONS = 3

Family = dict[str, dict[int, SteeringVector]]
"""Label of a grid entry -> block -> vector, of one concept and model."""


def vector_cards(ws: Workspace, concept: str, vector_key: str) -> list[VectorCard]:
    """Return the cards of one concept, model and method, one per block that the study steers.

    Raises:
        StoreError: the vector is not there yet.
    """
    stored = ws.store.read("steering_vectors", concept, vector_key)
    model, label = vector_key.split(":")
    family = _family(ws, concept, model)
    own, floor = family.get(label, {}), ws.study.selection.min_separation
    return [card(own[block], _beside(family, label, block), floor) for block in stored["layer"] if block in own]


def vector_cosines(ws: Workspace) -> pl.DataFrame:
    """Return the table `vector_cosines` over all stored vectors of the study."""
    rows = []
    for concept, model in ws.plan.cells:
        family = _family(ws, concept, model)
        for label, block, vector in [(label, block, vector) for label, found in family.items() for block, vector in found.items()]:
            owner = {"study": ws.study.name, "concept": concept, "model": model, "method": label, "layer": block}
            rows += [{**owner, "other": other, "cosine": value} for other, value in cosines(vector, _beside(family, label, block)).items()]
    schema = {"study": pl.String, "concept": pl.String, "model": pl.String, "method": pl.String, "layer": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, "other": pl.String, "cosine": pl.Float64})


def describe_choice(ws: Workspace, concept: str, key: str | None) -> dict[str, Any]:
    """Return the fields of `Done` that show a vector: its choice in words, its cosines, tokens, and separation along the depth."""
    cards = vector_cards(ws, concept, str(key))
    layers = ws.store.read(LAYERS, concept, key).sort("layer")
    metadata: dict[str, Any] = {"weak": ", ".join(f"block {found.block}" for found in cards if found.weak) or None}
    for found in cards:
        metadata |= {f"cosine to {name}, block {found.block}": value for name, value in found.cosines.items()}
    ranked = layers.drop_nulls("rank").sort("rank").head(SHOWN_REASONS)
    metadata |= {f"block of rank {row['rank']}": f"{row['layer']}: {row['reason']}" for row in ranked.rows(named=True)}
    metadata |= _strengths(ws, concept, key)
    samples = tuple({"block": found.block, "towards": _listed(found.tokens_towards), "away": _listed(found.tokens_away)} for found in cards)
    curve = {"x": layers["layer"].to_list(), "y": layers["separation"].to_list(), "x_label": "block", "label": "held-out AUROC"}
    return {"metadata": metadata, "samples": samples, "curve": curve}


def _strengths(ws: Workspace, concept: str, key: str | None) -> dict[str, Any]:
    found = ws.store.read(STRENGTHS, concept, key)
    said: dict[str, Any] = {}
    for row in found.filter(pl.col("chosen")).rows(named=True):
        said[f"strength for KL {row['kl_target']:g}, block {row['layer']}"] = row["strength"]
    for row in found.drop_nulls("reason").unique(["layer", "kl_target"], maintain_order=True).rows(named=True):
        said[f"strength for KL {row['kl_target']:g}, block {row['layer']}"] = row["reason"]
    return said


def _listed(tokens: tuple[str, ...]) -> str:
    return " · ".join(repr(token) for token in tokens)


def _beside(family: Family, label: str, block: int) -> dict[str, SteeringVector]:
    """Return label -> vector of the others at one block."""
    return {name: vectors[block] for name, vectors in family.items() if name != label and block in vectors}


def _family(ws: Workspace, concept: str, model: str) -> Family:
    """Return label -> block -> vector of what is stored of one concept and model; unreadable files are left out."""
    found = {}
    for key in ws.plan.vector_keys:
        path = ws.store.artifact("vectors", concept, key, ".safetensors")
        if key.split(":")[0] == model and is_present(path):
            try:
                found[key.split(":")[1]] = load_vectors(ws.store.local(path, ws.home))
            except AsteerError:
                continue
    return found
