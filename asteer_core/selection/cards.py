"""The card of a steering vector: what is known of it, as one plain record that a table, a web page or a terminal can show.

The tokens on a card are text of a model, hence untrusted: escape them wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asteer_core.types import SteeringVector

MIN_SEPARATION = 0.7
"""AUROC on held-out pairs below which a direction hardly tells violation from compliance."""
CONTROL = "random"


@dataclass(frozen=True)
class VectorCard:
    """What is known of one vector. None (or empty) where it was not measured, as for vectors from elsewhere.

    Attributes:
        concept, model, method, block: whose vector it is.
        scale: median residual norm at the block, activation units.
        norm_share: norm of the mean difference of the pairs as a share of `scale`.
        separation: AUROC of held-out projections, 0 to 1.
        separation_by_block: the same for the method's vector at every block; None where it could not be fitted.
        weak: whether the separation is below the threshold; None for a random direction, of which none is expected.
        verdict: the same in words.
        cosine_to_mean_difference: -1 to 1.
        cosines: name (a method, or a grid entry's name) -> cosine to that vector of the same concept, model and block.
        tokens_towards, tokens_away: tokens that the direction raises and lowers most (logit lens), strongest first.
        pairs_used, pairs_dropped, heldout_pairs: contrastive pairs behind it.
        positions: token positions of the activations.
        facts: what else the method tells of its fit.
    """

    concept: str
    model: str
    method: str
    block: int
    scale: float
    norm_share: float | None
    separation: float | None
    separation_by_block: dict[int, float | None]
    weak: bool | None
    verdict: str
    cosine_to_mean_difference: float | None
    cosines: dict[str, float]
    tokens_towards: tuple[str, ...]
    tokens_away: tuple[str, ...]
    pairs_used: int | None
    pairs_dropped: int | None
    heldout_pairs: int | None
    positions: str | None
    facts: dict[str, Any] = field(default_factory=dict)


_SHOWN = ("norm_share", "separation_by_block", "tokens_towards", "tokens_away", "pairs_used", "pairs_dropped", "heldout_pairs", "positions")


def card(vector: SteeringVector, others: Mapping[str, SteeringVector] | None = None, min_separation: float = MIN_SEPARATION) -> VectorCard:
    """Return the card of `vector`.

    Args:
        vector: as `load_vectors` gives it; its metadata hold what was measured when it was fitted.
        others: name -> vector to compare with; those of another concept, model or block are left out.
        min_separation: AUROC below which the vector is called weak.
    """
    known = vector.metadata
    curve: Mapping[Any, float | None] = known.get("separation_by_block") or {}
    return VectorCard(
        concept=vector.concept,
        model=vector.model,
        method=vector.method,
        block=vector.block,
        scale=vector.scale,
        norm_share=known.get("norm_share"),
        separation=vector.separation,
        separation_by_block={int(block): value for block, value in curve.items()},
        weak=is_weak(vector, min_separation),
        verdict=_verdict(vector, min_separation),
        cosine_to_mean_difference=vector.cosine_to_mean_difference,
        cosines=cosines(vector, others or {}),
        tokens_towards=tuple(known.get("tokens_towards") or ()),
        tokens_away=tuple(known.get("tokens_away") or ()),
        pairs_used=known.get("pairs_used"),
        pairs_dropped=known.get("pairs_dropped"),
        heldout_pairs=known.get("heldout_pairs"),
        positions=known.get("positions"),
        facts={name: value for name, value in known.items() if name not in _SHOWN},
    )


def cosines(vector: SteeringVector, others: Mapping[str, SteeringVector]) -> dict[str, float]:
    """Return name -> cosine (-1 to 1), for the others of the same concept, model and block."""
    place, own = (vector.concept, vector.model, vector.block), vector.direction.astype(np.float64)
    same = {
        name: other.direction.astype(np.float64)
        for name, other in others.items()
        if (other.concept, other.model, other.block) == place and other.direction.shape == own.shape
    }
    return {name: float(own @ other / (np.linalg.norm(own) * np.linalg.norm(other))) for name, other in same.items()}


def is_weak(vector: SteeringVector, min_separation: float = MIN_SEPARATION) -> bool | None:
    """Return whether a vector fails to separate its held-out pairs, or was never tried on any; None for the random control."""
    if vector.method == CONTROL:
        return None
    return vector.separation is None or vector.separation < min_separation


def _verdict(vector: SteeringVector, min_separation: float) -> str:
    if vector.method == CONTROL:
        return "a control: no separation is expected of a random direction"
    if vector.separation is None:
        return "weak: there were no held-out pairs to try it on"
    if vector.separation < min_separation:
        return f"weak: it separates its held-out pairs with AUROC {vector.separation:.3f}, below {min_separation:g}"
    return f"it separates its held-out pairs with AUROC {vector.separation:.3f}"
