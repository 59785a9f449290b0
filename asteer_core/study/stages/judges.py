"""Judges: one success judge per concept, trained on the judge split, which no detector sees."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.judges import EmbeddedJudge
from asteer_core.study.done import Done, Failures
from asteer_core.study.runs import recorded
from asteer_core.study.stages._run import Frames, Partition, Stage
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.warehouse.files import replace_file, stamp

VERSION = 1


@recorded
def judges(ws: Workspace, concepts: Iterable[str]) -> Iterator[Done]:
    """Yield one `Done` per concept; the judge is a file, its out-of-fold quality a row in `judges`."""
    yield from _STAGE.run(ws, [(concept, None) for concept in concepts])


def judge_of(ws: Workspace, concept: str) -> EmbeddedJudge:
    """Return the stored judge of a concept."""
    path = judge_path(ws, concept)
    return ws.remember(("judge", str(path), stamp(path)), lambda: EmbeddedJudge.load(ws.store.local(path, ws.home)))


def judge_path(ws: Workspace, concept: str, _: str | None = None) -> Path:
    """Return where a concept's judge is stored."""
    return ws.store.artifact("judges", concept, "embedded", ".safetensors")


def _key(ws: Workspace, concept: str, _: str | None) -> str:
    return fingerprint(["judges", VERSION, ws.concept(concept).fingerprint, ws.study.judge.calibration, ws.study.seed])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for concept, key in partitions:
        try:
            rows = ws.concept(concept).judge
            texts = rows["response"].to_list()
            labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
            kinds = rows["kind"].fill_null("unnamed").to_list()
            judge = EmbeddedJudge.fit(
                texts, ws.embed(texts, "judges"), labels, groups, ws.rng("judge", concept), kinds, ws.study.judge.calibration
            )
            replace_file(judge_path(ws, concept), judge.save)
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        yield (concept, key), {"judges": pl.DataFrame([_row(ws, concept, judge)])}


def _row(ws: Workspace, concept: str, judge: EmbeddedJudge) -> dict[str, Any]:
    return {"study": ws.study.name, "concept": concept, "judge": "embedded", **judge.report}


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    row = frame.row(0, named=True)
    return {"metadata": {name: value for name, value in row.items() if name not in ("study", "concept")}}


_STAGE = Stage("judges", "judges", _key, _produce, _summarise, judge_path)
