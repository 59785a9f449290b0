"""From captured pairs to a steering vector with its held-out evidence. Formulas live in the method files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from asteer_core.errors import AsteerError, DataError
from asteer_core.methods._given import NOTHING, Given
from asteer_core.methods._registry import METHODS
from asteer_core.types import SteeringVector

Pairs = tuple[np.ndarray, np.ndarray]


UNIT_TOLERANCE = 1e-3
"""How far the norm of a direction may be from 1; float32 rounding is far below."""


def fit_vector(
    concept: str,
    model: str,
    method: str,
    block: int,
    train: Pairs,
    heldout: Pairs | None,
    scale: float,
    rng: np.random.Generator,
    given: Given = NOTHING,
    metadata: Mapping[str, Any] | None = None,
) -> SteeringVector:
    """Return the steering vector of one method at one block, with its evidence on pairs the fit has not seen.

    `separation` is the AUROC (0 to 1) of held-out projections on the direction, None without usable held-out pairs.
    The metadata gain pairs_used, pairs_dropped (not finite), heldout_pairs, positions, source and the method's own facts.

    Args:
        train, heldout: (positive, negative), each [pair, d_model]; row i of both is one contrastive pair.
        scale: median residual norm at the block, activation units, above 0.
        given: what the method names in `needs`, but `tuning`: that is the first half of the held-out pairs, and the separation is then
            measured on the other half alone.

    Raises:
        AsteerError: unknown method, or pairs that hold no direction; the message names concept, model, method and block.
    """
    chosen = METHODS.get(method)
    where = f"concept {concept!r}, model {model!r}, method {method!r}, block {block}"
    if not (np.isfinite(scale) and scale > 0):
        raise DataError(f"{where}: scale is {scale}; expected the median residual norm of the block, above 0")
    try:
        positive, negative, dropped = finite_pairs(*train)
        if dropped and len(positive) < chosen.min_pairs:
            raise DataError(
                f"{dropped} of {dropped + len(positive)} pairs hold NaN or infinity, which leaves fewer than {chosen.min_pairs}"
            )
        held = finite_pairs(*heldout) if heldout is not None else None
        given = replace(given, block=block, model=model, weights=(metadata or {}).get("model_fingerprint"))
        if held is not None and "tuning" in chosen.needs:
            half = tuning_half(len(held[0]))
            given = replace(given, tuning=(held[0][:half], held[1][:half]))
            held = held[0][half:], held[1][half:], held[2]
        fit = chosen.fit(positive, negative, rng, given)
        _check_direction(fit.direction)
    except AsteerError as error:
        raise type(error)(f"{where}: {error}") from error
    if held is not None and len(held[0]) and held[0].shape[1] != positive.shape[1]:
        raise DataError(f"{where}: held-out activations have width {held[0].shape[1]}, training activations {positive.shape[1]}")
    facts: dict[str, Any] = dict(metadata or {})
    facts |= {"positions": chosen.positions, "source": chosen.source, "normalisation": "unit", "dtype": "float32"}
    facts |= {"pairs_used": len(positive), "pairs_dropped": dropped}
    facts |= {"heldout_pairs": len(held[0]) if held else 0, "heldout_dropped": held[2] if held else 0}
    facts |= {"tuning_pairs": len(given.tuning[0])} if given.tuning else {}
    facts |= {"options": given.options.model_dump()} if given.options and given.options.model_dump() else {}
    facts |= fit.facts
    if held and "reading" in fit.extras:
        facts["reading_separation"] = separation(held[0], held[1], fit.extras["reading"])
    return SteeringVector(
        concept=concept,
        model=model,
        method=method,
        block=block,
        direction=fit.direction.astype(np.float32),
        scale=float(scale),
        separation=separation(held[0], held[1], fit.direction) if held else None,
        cosine_to_mean_difference=_cosine(fit.direction, (positive - negative).astype(np.float64).mean(axis=0)),
        extras={name: array.astype(np.float32) for name, array in fit.extras.items()},
        metadata=facts,
    )


def _check_direction(direction: np.ndarray) -> None:
    """Refuse what cannot steer before anybody generates with it; methods are everybody's to write.

    Raises:
        DataError: a number is not finite, or the norm is not 1.
    """
    norm = float(np.linalg.norm(direction.astype(np.float64)))
    if not abs(norm - 1) < UNIT_TOLERANCE:
        raise DataError(f"the fit returned a direction of norm {norm:.3g}; expected finite numbers of norm 1, as `unit` makes them")


def tuning_half(pairs: int) -> int:
    """Return how many of the held-out pairs, from the first, serve choices; the rest stays unseen, as evidence.

    Raises:
        DataError: fewer than four pairs.
    """
    if pairs < 4:
        raise DataError(f"{pairs} held-out pairs; the method makes choices on half of them, so at least 4 are needed")
    return pairs // 2


def finite_pairs(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the pairs whose rows are finite on both sides, and how many were dropped.

    Raises:
        DataError: the two arrays do not have the same [pair, d_model] shape.
    """
    if positive.ndim != 2 or positive.shape != negative.shape:
        raise DataError(
            f"positive has shape {positive.shape} but negative has {negative.shape}; "
            "both must be [pair, d_model], and row i of both must come from the same contrastive pair"
        )
    keep = np.isfinite(positive).all(axis=1) & np.isfinite(negative).all(axis=1)
    return positive[keep], negative[keep], int((~keep).sum())


def separation(positive: np.ndarray, negative: np.ndarray, direction: np.ndarray) -> float | None:
    """Return the AUROC, 0 to 1, of the rows' projections on `direction`; None without rows."""
    if len(positive) == 0 or len(negative) == 0:
        return None
    # Takes longer to import than the definitions of the pipeline may take to load.
    from scipy.stats import rankdata

    projections = np.concatenate([positive, negative]).astype(np.float64) @ direction.astype(np.float64)
    ranks = rankdata(projections)[: len(positive)].sum()
    return float((ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def _cosine(direction: np.ndarray, other: np.ndarray) -> float | None:
    norm = float(np.linalg.norm(direction) * np.linalg.norm(other))
    return float(direction @ other) / norm if norm > 0 else None
