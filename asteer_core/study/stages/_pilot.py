"""The pilot: a few prompts answered under a push at each block, and how far the replies read as violating.

No judge is asked: corpora are graded by one later, and blocks chosen with it would be chosen on the grade. Instead the unsteered model
reads the replies, and the reading is placed between the held-out compliant (0) and violating replies (1) to the same concept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from asteer_core.study.stages._activations import activations
from asteer_core.study.workspace import Workspace
from asteer_core.types import GenerationRequest, Intervention, row_stream


@dataclass(frozen=True, slots=True)
class Reader:
    """The mean difference at one block: `direction` (unit, float64 [d_model]); `low`, `high`: mean held-out projections of both sides."""

    block: int
    direction: np.ndarray
    low: float
    high: float

    def share(self, activations: np.ndarray) -> float:
        """Return the mean place of rows [row, d_model] between the two sides, 0 (compliant) to 1 (violating), each row clipped to that."""
        return float(np.clip((activations.astype(np.float64) @ self.direction - self.low) / (self.high - self.low), 0, 1).mean())


def pilot_effects(ws: Workspace, concept: str, model: str, pushes: Mapping[int, Intervention]) -> dict[int, float | None]:
    """Return block -> how much further towards violation the replies under its push read than unsteered ones, -1 to 1.

    None where every reply is empty.
    """
    reader = ws.remember(("reader", concept, model), lambda: _reader(ws, concept, model))
    plain = ws.remember(("unsteered pilot", concept, model), lambda: _replies(ws, concept, model, {0: Intervention()})[0])
    before = _read(ws, model, reader, plain)
    after = {block: _read(ws, model, reader, replies) for block, replies in _replies(ws, concept, model, pushes).items()}
    return {block: None if share is None or before is None else share - before for block, share in after.items()}


def _reader(ws: Workspace, concept: str, model: str) -> Reader:
    """Return the mean difference of the block at which it tells held-out pairs apart best (gap over spread)."""
    train, held = (activations(ws, concept, model, split, "mean") for split in ("extraction", "extraction_heldout"))
    readers: list[tuple[float, Reader]] = []
    for block, (positive, negative) in train.items():
        difference = (positive - negative).mean(axis=0, dtype=np.float64)
        direction = difference / max(float(np.linalg.norm(difference)), np.finfo(float).tiny)
        high, low = (side.astype(np.float64) @ direction for side in held[block])
        spread = float(np.sqrt((high.var() + low.var()) / 2))
        gap = float(high.mean() - low.mean())
        readers.append((gap / spread if spread > 0 else 0.0, Reader(block, direction, float(low.mean()), float(high.mean()))))
    return max(readers, key=lambda found: found[0])[1]


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


def _read(ws: Workspace, model: str, reader: Reader, replies: Replies) -> float | None:
    from asteer_core.model import capture

    if not replies:
        return None
    prompts, texts = zip(*replies, strict=True)
    return reader.share(capture(ws.model(model), prompts, texts, [reader.block])[reader.block])
