"""Rows of JSON lines through a detector: every line gives a line, and a bad one says what is wrong with it.

Not here: the detector (`detecting.py`) and where lines come from and go (the command).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from asteer_core.errors import DataError
from asteer_core.study.detecting import TextDetector

BATCH = 256
TEXT_KEYS = ("response", "text")


def detect_rows(lines: Iterable[str], detector: TextDetector, threshold: float, *, strict: bool = False) -> Iterator[dict[str, Any]]:
    """Yield one row per non-empty line: `row` (from 1), `score`, `label` (1 where score >= threshold), and `id` if the line has one.

    A line that is no JSON object, or without text under `response` or `text` (or without `prompt`, where the detector reads prompts),
    has score and label None and an `error`; so has a text that the detector cannot read.

    Args:
        strict: raise at the first bad line instead.

    Raises:
        DataError: a bad line, where strict.
    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while part := list(islice(numbered, BATCH)):
        rows = [_read(number, line, detector.reads_prompts) for number, line in part]
        good = [row for row in rows if "error" not in row]
        prompts = [row.pop("prompt") for row in good]
        scores = detector.score([row.pop("text") for row in good], prompts if detector.reads_prompts else None)
        for row, score in zip(good, scores, strict=True):
            if math.isfinite(score):
                row |= {"score": round(float(score), 6), "label": int(score >= threshold)}
            else:
                row |= {"score": None, "label": None, "error": "the detector cannot read it: no tokens, or longer than its model's context"}
        for row in rows:
            if strict and "error" in row:
                raise DataError(f"line {row['row']}: {row['error']}")
            yield row


def _read(number: int, line: str, with_prompt: bool) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return _bad(number, "not JSON; expected an object with `response` (or `text`)")
    if not isinstance(value, dict):
        return _bad(number, f"a JSON {type(value).__name__}; expected an object with `response` (or `text`)")
    named = {"id": value["id"]} if isinstance(value.get("id"), (str, int)) else {}
    text = next((value[key] for key in TEXT_KEYS if value.get(key) is not None), None)
    prompt = value.get("prompt")
    wanted = {"`response` (or `text`)": text} | ({"`prompt`, which this detector reads": prompt} if with_prompt else {})
    for what, found in wanted.items():
        if not isinstance(found, str):
            return _bad(number, f"{what} is {'missing' if found is None else type(found).__name__}; expected text") | named
        try:
            found.encode()
        except UnicodeEncodeError:
            return _bad(number, f"{what} holds half of a surrogate pair, which is no character") | named
    return {"row": number, **named, "text": text, "prompt": prompt}


def _bad(number: int, error: str) -> dict[str, Any]:
    return {"row": number, "score": None, "label": None, "error": error}
