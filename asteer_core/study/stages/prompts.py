"""Contrastive prompts: the validated pairs of each concept, as a table."""

from collections.abc import Iterable, Iterator

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.study.done import Done, Failures
from asteer_core.study.runs import recorded
from asteer_core.study.stages._run import Frames, Partition, Stage
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint

VERSION = 1


@recorded
def contrastive_prompts(ws: Workspace, concepts: Iterable[str]) -> Iterator[Done]:
    """Yield one `Done` per concept; its pairs stand in `contrastive_pairs` afterwards."""
    yield from _STAGE.run(ws, [(concept, None) for concept in concepts])


def _key(ws: Workspace, concept: str, _: str | None) -> str:
    return fingerprint(["contrastive_pairs", VERSION, ws.concept(concept).fingerprint])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for concept, key in partitions:
        try:
            pairs = ws.concept(concept).pairs
            # A data set that cannot be read stops its concept here, before hours of generation, and no other.
            _ = ws.concept(concept).real
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        owner = (pl.lit(ws.study.name).alias("study"), pl.lit(concept).alias("concept"))
        yield (concept, key), {"contrastive_pairs": pairs.select(*owner, pl.all())}


def _summarise(frame: pl.DataFrame) -> dict[str, object]:
    counts = frame["split"].value_counts()
    return {"metadata": {f"pairs_{split}": count for split, count in counts.rows()}}


_STAGE = Stage("contrastive_prompts", "contrastive_pairs", _key, _produce, _summarise)
