"""Rows of text through a detector: every row gives a row, and a bad one says what is wrong with it.

Not here: the detector (`detecting.py`), where rows come from (`text_rows.py`) and go (the command).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from asteer_core.errors import DataError
from asteer_core.study.detecting import TextDetector
from asteer_core.study.text_rows import Record, fault_of, text_of

BATCH = 256


@dataclass(frozen=True)
class ScoredRow:
    """One row: its number from 1, its id if it has one, its text, P(violation) and 1 where that reaches the threshold; or an error."""

    row: int
    id: str | int | None = None
    text: str | None = None
    score: float | None = None
    label: int | None = None
    error: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the row for a JSON line: no text, `id` and `error` where there are any."""
        named = {} if self.id is None else {"id": self.id}
        score = None if self.score is None else round(self.score, 6)
        return {"row": self.row, **named, "score": score, "label": self.label} | ({"error": self.error} if self.error else {})


def detect_rows(records: Iterable[Record], detector: TextDetector, threshold: float, *, strict: bool = False) -> Iterator[ScoredRow]:
    """Yield one row per record, in their order.

    A record without text under `response` or `text` (or without `prompt`, where the detector reads prompts) has an `error` instead of a
    score; so has a text that the detector cannot read.

    Args:
        strict: raise at the first bad record instead.

    Raises:
        DataError: a bad record, where strict.
    """
    remaining = iter(records)
    while part := list(islice(remaining, BATCH)):
        for row in _scored(part, detector, threshold):
            if strict and row.error:
                raise DataError(f"line {row.row}: {row.error}")
            yield row


def _scored(part: list[Record], detector: TextDetector, threshold: float) -> list[ScoredRow]:
    read = [(number, columns, _fault(columns, detector.reads_prompts)) for number, columns in part]
    good = [columns for _, columns, fault in read if fault is None and isinstance(columns, dict)]
    prompts = [str(columns["prompt"]) for columns in good] if detector.reads_prompts else None
    scores = iter(detector.score([text_of(columns) for columns in good], prompts))
    return [_row(number, columns, fault, scores, threshold) for number, columns, fault in read]


def _row(number: int, columns: dict[str, Any] | str, fault: str | None, scores: Iterator[Any], threshold: float) -> ScoredRow:
    named = columns.get("id") if isinstance(columns, dict) else None
    named = named if isinstance(named, str | int) else None
    if fault is not None or isinstance(columns, str):
        return ScoredRow(number, named, error=fault)
    text, score = text_of(columns), float(next(scores))
    if not math.isfinite(score):
        return ScoredRow(number, named, text, error="the detector cannot read it: its model makes no tokens of it")
    return ScoredRow(number, named, text, score, int(score >= threshold))


def _fault(columns: dict[str, Any] | str, with_prompt: bool) -> str | None:
    if isinstance(columns, str):
        return columns
    fault = fault_of("`response` (or `text`)", text_of(columns))
    return fault or (fault_of("`prompt`, which this detector reads,", columns.get("prompt")) if with_prompt else None)
