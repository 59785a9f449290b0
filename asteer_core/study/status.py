"""How far a study is, stage by stage, read from the store without making or loading anything.

What does not belong here: deciding what is current (`state.py`), and making it (`stages`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asteer_core.study.line import LINE, Over
from asteer_core.study.stages.report import report_path
from asteer_core.study.state import is_current, partitioned_stages
from asteer_core.study.study import Study
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import warehouse_path
from asteer_core.warehouse.files import is_present

Partition = tuple[str, str | None]


@dataclass(frozen=True)
class StageStatus:
    """Partitions of one stage: finished and current, finished but computed from what has changed since, and not there."""

    stage: str
    partitions: int
    current: int
    stale: int
    missing: int


def status(study: Study, home: Path) -> list[StageStatus]:
    """Return how far a study is, in the order of the line.

    Raises:
        AsteerError: the study names something unknown.
    """
    ws = Workspace(study, home)
    plan = ws.plan
    over: dict[Over, Sequence[Partition]] = {
        "concepts": [(concept, None) for concept in plan.concepts], "vectors": plan.vectors, "cells": plan.cells, "pairs": plan.pairs,
    }  # fmt: skip
    # Stages over the whole study store a table of their own name, but for these.
    files = {"warehouse": warehouse_path(home), "report": report_path(home, study.name)}
    found = []
    for stage, kind in LINE.items():
        if kind is not None:
            found.append(_partitioned(ws, stage, over[kind]))
            continue
        there, current = is_present(files.get(stage) or ws.store.path(stage)), is_current(ws, stage)
        found.append(StageStatus(stage, 1, int(current), int(there and not current), int(not there)))
    return found


def _partitioned(ws: Workspace, stage: str, partitions: Sequence[Partition]) -> StageStatus:
    table = partitioned_stages()[stage][0].table
    stored = [partition for partition in partitions if ws.store.content_key(table, *partition) is not None]
    current = sum(is_current(ws, stage, partition) for partition in stored)
    return StageStatus(stage, len(partitions), current, len(stored) - current, len(partitions) - len(stored))
