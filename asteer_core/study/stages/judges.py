"""Judges: one success judge per concept, fitted to or calibrated on the judge split, which no detector sees."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.judges import Judge, Labelled, Rubric
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


def judge_of(ws: Workspace, concept: str) -> Judge:
    """Return the stored judge of a concept."""
    path = judge_path(ws, concept)

    def load() -> Judge:
        return ws.study.judge.build().load(ws.store.local(path, ws.home), Rubric.of(ws.concept(concept)), ws.judge_tools)

    return ws.remember(("judge", str(path), stamp(path)), load)


def judge_path(ws: Workspace, concept: str, _: str | None = None) -> Path:
    """Return where a concept's judge is stored."""
    return ws.store.artifact("judges", concept, ws.study.judge.kind, ".safetensors")


def _key(ws: Workspace, concept: str, _: str | None) -> str:
    kind = ws.study.judge.build()
    identity = kind.identity(Rubric.of(ws.concept(concept)), ws.judge_tools)
    # The default stands without its name, as in stores that were written when there was no other.
    named = identity if ws.study.judge.is_default else [ws.study.judge.kind, *identity]
    return fingerprint(["judges", VERSION, ws.concept(concept).fingerprint, *named, ws.study.seed])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    kind = ws.study.judge.build()
    for concept, key in partitions:
        try:
            rows = Labelled.of(ws.concept(concept).judge)
            with ws.judge_tools.heard_by(lambda done, total: ws.report("judges", done, total, "asking the judge about labelled rows")):
                judge = kind.fit(Rubric.of(ws.concept(concept)), rows, ws.judge_tools, ws.rng("judge", concept))
            replace_file(judge_path(ws, concept), judge.save)
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        yield (concept, key), {"judges": pl.DataFrame([_row(ws, concept, judge)], infer_schema_length=None)}


def _row(ws: Workspace, concept: str, judge: Judge) -> dict[str, Any]:
    return {"study": ws.study.name, "concept": concept, "judge": ws.study.judge.kind, **judge.report}


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    row = frame.row(0, named=True)
    return {"metadata": {name: value for name, value in row.items() if name not in ("study", "concept")}}


_STAGE = Stage("judges", "judges", _key, _produce, _summarise, judge_path)
