"""The pilot: a few prompts answered under a push at each block, and how far the replies read as violating.

No judge is asked: corpora are graded by one later, and blocks chosen with it would be chosen on the grade. The model's own activations
are not asked either: they read pushes of late blocks as success even where the text says nothing of the kind. Instead the sentence
encoder places the replies between the concept's compliant (0) and violating replies (1), and the unsteered model's likelihood says whether
they still hold together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from asteer_core.errors import DataError
from asteer_core.metrics.fluency import fluency
from asteer_core.study.workspace import Workspace
from asteer_core.types import GenerationRequest, Intervention, row_stream

READER_PAIRS = 100
"""Pairs of each split that the reader is made from."""
NORMAL = 1.4826
"""Median absolute deviation to standard deviation, for normal errors."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The mean difference of embeddings, `direction` (unit, float64 [d_embed]); `low`, `high`: mean held-out projections of both sides."""

    direction: np.ndarray
    low: float
    high: float

    def share(self, embeddings: np.ndarray) -> float:
        """Return the mean place of rows [row, d_embed] between the two sides, 0 (compliant) to 1 (violating), each row clipped to that."""
        return float(np.clip((embeddings.astype(np.float64) @ self.direction - self.low) / (self.high - self.low), 0, 1).mean())


@dataclass(frozen=True, slots=True)
class Reading:
    """What the unsteered model says of replies under one push.

    `effect`: how much further towards violation they read than unsteered ones, -1 to 1. `fluency`: how usual it finds them, 0 to 1.
    """

    effect: float
    fluency: float


def pilot_readings(ws: Workspace, concept: str, model: str, pushes: Mapping[int, Intervention]) -> dict[int, Reading | None]:
    """Return block -> the reading of the replies under its push; None where every reply is empty, or every unsteered one.

    Fluency is that of the metrics, relative to the unsteered replies to the same prompts.
    """
    reader = ws.remember(("reader", concept), lambda: _reader(ws, concept))
    plain = ws.remember(("unsteered pilot", concept, model), lambda: _replies(ws, concept, model, {0: Intervention()})[0])
    if not plain:
        return dict.fromkeys(pushes)
    before, usual = _share(ws, reader, plain), _nll(ws, model, plain)
    location = float(np.median(usual))
    spread = max(float(NORMAL * np.median(np.abs(usual - location))), np.finfo(float).tiny)
    found: dict[int, Reading | None] = {}
    for block, replies in _replies(ws, concept, model, pushes).items():
        if replies:
            held = fluency(_nll(ws, model, replies), location, spread, ws.study.metrics.tau)
            found[block] = Reading(_share(ws, reader, replies) - before, float(held.mean()))
        else:
            found[block] = None
    return found


def _reader(ws: Workspace, concept: str) -> Reader:
    def side(split: str, name: str) -> np.ndarray:
        texts = ws.concept(concept).pairs.filter(pl.col("split") == split).head(READER_PAIRS)[name].to_list()
        return ws.embed(texts, "steering_vectors").astype(np.float64)

    difference = side("extraction", "violating").mean(axis=0) - side("extraction", "compliant").mean(axis=0)
    direction = difference / max(float(np.linalg.norm(difference)), np.finfo(float).tiny)
    high, low = (float((side("extraction_heldout", name) @ direction).mean()) for name in ("violating", "compliant"))
    if not high > low:
        raise DataError(
            f"concept {concept!r}: the sentence encoder cannot tell its held-out violating replies from compliant ones, so a pilot "
            "cannot be read; name blocks in the study's layers instead of `auto`"
        )
    return Reader(direction, low, high)


Replies = Sequence[tuple[str, str]]
"""(prompt, reply) rows; empty replies are left out."""


def _replies(ws: Workspace, concept: str, model: str, pushes: Mapping[int, Intervention]) -> dict[int, Replies]:
    from asteer_core.model import generate

    pairs = ws.concept(concept).pairs.filter(pl.col("split") == "extraction_heldout")
    prompts = pairs["prompt"].unique(maintain_order=True).head(ws.study.selection.pilot_prompts).to_list()
    # One stream per prompt, the same at every block: what differs between blocks is the push, not the draw.
    requests = [
        GenerationRequest(f"{block}/{number}", prompt, str(block), row_stream("pilot", str(number), 0, ws.study.seed))
        for block in pushes
        for number, prompt in enumerate(prompts)
    ]
    rows = generate(ws.model(model), requests, {str(block): push for block, push in pushes.items()}, ws.study.sampling)
    found: dict[int, list[tuple[str, str]]] = {block: [] for block in pushes}
    for row in rows:
        block, number = map(int, row.row_id.split("/"))
        if row.text.strip():
            found[block].append((prompts[number], row.text))
    return dict(found)


def _share(ws: Workspace, reader: Reader, replies: Replies) -> float:
    return reader.share(ws.embed([text for _, text in replies], "steering_vectors"))


def _nll(ws: Workspace, model: str, replies: Replies) -> np.ndarray:
    """Return the mean token NLL (nats) of the replies that have one, float64 [reply]."""
    from asteer_core.model import mean_token_nll

    prompts, texts = zip(*replies, strict=True)
    found = mean_token_nll(ws.model(model), prompts, texts)[0]
    return found[np.isfinite(found)]
