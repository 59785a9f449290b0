"""What a dial left to the study came out as: the block of a rank, the strength of a KL target, as `steering_vectors` stored them.

What does not belong here: the search itself (`_choices.py`).
"""

from dataclasses import replace

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.study.plan import steered
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration

LAYERS, STRENGTHS = "vector_layers", "strength_search"


class Unresolved(AsteerError):
    """No block or strength fits what the study asks for; the message says why."""


def resolve(ws: Workspace, configuration: Configuration) -> Configuration:
    """Return `configuration` with its block and strength.

    Raises:
        Unresolved: no block has the rank, or no strength reaches the KL target.
        StoreError: the vector is not there yet.
    """
    if configuration.layer_rank is not None:
        configuration = replace(configuration, layer=_layer(ws, configuration))
    if configuration.kl_target is not None:
        configuration = replace(configuration, strength=_strength(ws, configuration))
    return configuration


def resolved(ws: Workspace, concept: str, key: str) -> Configuration:
    """Return the configuration of one steered partition with its block and strength; see `resolve`."""
    return resolve(ws, steered(ws.study, concept, key))


def void_reason(ws: Workspace, concept: str, key: str | None) -> str | None:
    """Return why a steered partition can have no results; None where its dials are resolved."""
    try:
        resolved(ws, concept, str(key))
    except Unresolved as reason:
        return str(reason)
    return None


def _layer(ws: Workspace, configuration: Configuration) -> int:
    found = _stored(ws, LAYERS, configuration)
    block = found.filter(pl.col("rank") == configuration.layer_rank)["layer"]
    if len(block):
        return int(block[0])
    have = found["rank"].drop_nulls().len()
    reasons = "; ".join(f"block {row['layer']}: {row['reason']}" for row in found.filter(pl.col("rank").is_null()).rows(named=True))
    raise Unresolved(f"{configuration.key}: {have} blocks can be chosen, which leaves none of rank {configuration.layer_rank} ({reasons})")


def _strength(ws: Workspace, configuration: Configuration) -> float:
    found = _stored(ws, STRENGTHS, configuration).filter(
        (pl.col("layer") == configuration.layer) & (pl.col("kl_target") == configuration.kl_target)
    )
    chosen = found.filter(pl.col("chosen"))
    if chosen.height:
        return float(chosen["strength"][0])
    reason = found["reason"].drop_nulls()
    raise Unresolved(f"{configuration.key}, block {configuration.layer}: {reason[0] if len(reason) else 'the target was not searched for'}")


def _stored(ws: Workspace, table: str, configuration: Configuration) -> pl.DataFrame:
    where = (configuration.concept, configuration.vector_key)
    return ws.remember((table, *where, ws.store.content_key(table, *where)), lambda: ws.store.read(table, *where))
