"""Activations of a concept's pairs and the size of the residual stream: captured once, shared by all vectors of a model."""

from dataclasses import replace

import numpy as np
import polars as pl

from asteer_core.study.workspace import Workspace
from asteer_core.types import Positions

SCALE_PROMPTS = 64
"""Generation prompts whose unsteered replies give the median residual norm of a block."""

Sides = tuple[np.ndarray, np.ndarray]
"""(violating, compliant) activations, each float32 [pair, d_model]."""


def activations(ws: Workspace, concept: str, model: str, split: str, positions: Positions) -> dict[int, Sides]:
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


def scales_of(ws: Workspace, concept: str, model: str) -> dict[int, float]:
    """Return block -> median residual norm over unsteered replies to the concept's own prompts."""

    def measure() -> dict[int, float]:
        from asteer_core.model import residual_scale

        language_model = ws.model(model)
        prompts = ws.concept(concept).prompts["prompt"].head(SCALE_PROMPTS).to_list()
        sampling = replace(ws.study.sampling, min_new_tokens=min(4, ws.study.sampling.max_new_tokens))
        return residual_scale(language_model, prompts, range(language_model.n_blocks), sampling)

    return ws.remember(("scale", concept, model), measure)
