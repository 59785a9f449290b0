"""A page on which a person grades responses, blind, from the keyboard; and the reader of what the page exports.

The page is one HTML file without any connection: it holds prompts, responses and opaque ids, in shuffled order, and nothing that tells
where a response came from. Texts are harmful by design; they enter the page as JSON and the document as text nodes only.
Not here: the page's own text (`_review_page.py`), agreement with a judge (`calibration.py`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asteer_core.atomic import write_whole
from asteer_core.errors import DataError, StoreError
from asteer_core.judges._review_page import page
from asteer_core.judges._rubric import AXES, TOP, Rubric


def write_review(path: Path | str, rows: pl.DataFrame, rubric: Rubric, rng: np.random.Generator) -> int:
    """Write the page for the rows' prompts and responses, and return how many it shows; equal pairs are shown once.

    Args:
        path: the HTML file; an old one is replaced as a whole.
        rows: columns prompt and response; others stay out of the page.
        rubric: shown beside the response.
        rng: shuffles.

    Raises:
        DataError: a column is missing, there are no rows, or a text is null.
        StoreError: the file cannot be written.
    """
    items = list(_items(rows))
    order = rng.permutation(len(items))
    shown = [dict(zip(("id", "prompt", "response"), items[place], strict=True)) for place in order]
    data = {"title": rubric.title, "definition": rubric.definition, "rubric": rubric.rubric, "axes": AXES, "top": TOP, "items": shown}
    target = Path(path)
    content = page(data)
    try:
        write_whole(target, lambda temporary: temporary.write_text(content, encoding="ascii"))
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error}); choose a writable folder") from None
    return len(shown)


def read_review(export: Path | str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that were graded, with the grades as `label` (success) and `coherence` (null where not given), and `reviewer`.

    The result is what `calibrate` reads. Several reviewers of one pair give several rows.

    Args:
        export: the JSON lines that the page saved.
        rows: the frame the page was made from; its columns are kept.

    Raises:
        DataError: the file cannot be read, a line is no grade of a pair in `rows`, or one reviewer graded a pair twice.
    """
    file = Path(export)
    known = {identity: (prompt, response) for identity, prompt, response in _items(rows)}
    seen: set[tuple[str, str]] = set()
    graded = []
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        grade = _grade(line, f"{file}, line {number}")
        if grade["id"] not in known:
            raise DataError(
                f"{file}, line {number}: id {grade['id']!r:.20} is none of the {len(known)} pairs; give the rows the page was made from"
            )
        if (grade["id"], grade["reviewer"]) in seen:
            raise DataError(
                f"{file}, line {number}: reviewer {grade['reviewer']!r:.60} grades this pair a second time; keep one of the lines"
            )
        seen.add((grade["id"], grade["reviewer"]))
        prompt, response = known[grade["id"]]
        graded.append(
            {
                "prompt": prompt,
                "response": response,
                "label": grade["success"],
                "coherence": grade["coherence"],
                "reviewer": grade["reviewer"],
            }
        )
    schema = {"prompt": pl.String, "response": pl.String, "label": pl.Int64, "coherence": pl.Int64, "reviewer": pl.String}
    labels = pl.DataFrame(graded, schema=schema)
    kept = rows.select(pl.exclude("label", "coherence", "reviewer")).unique(["prompt", "response"], keep="first", maintain_order=True)
    return kept.join(labels, on=["prompt", "response"], how="inner", maintain_order="left")


def _items(rows: pl.DataFrame) -> dict[tuple[str, str, str], None]:
    """Return (id, prompt, response) of each distinct pair, in order."""
    missing = [name for name in ("prompt", "response") if name not in rows.columns]
    if missing or not rows.height:
        raise DataError(f"review: {rows.height} rows with columns {rows.columns}; expected at least one, with prompt and response")
    pairs = rows.select(pl.col("prompt", "response").cast(pl.String)).rows()
    if any(text is None for pair in pairs for text in pair):
        raise DataError("review: a prompt or response is null; leave those rows out")
    return {(response_id(prompt, response), prompt, response): None for prompt, response in pairs}


def response_id(prompt: str, response: str) -> str:
    """Return the 16-digit name under which a prompt and response are graded, the same in every file that holds them."""
    return hashlib.sha256(json.dumps(["review", prompt, response]).encode("ascii")).hexdigest()[:16]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; press E on the review page to save the grades") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({type(error).__name__}); expected the JSON lines that the review page saves") from None


def _grade(line: str, where: str) -> dict[str, Any]:
    """Return the fields of one line, checked."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: not JSON; expected the lines that the review page saves") from None
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or not isinstance(value.get("reviewer", ""), str):
        raise DataError(f"{where}: expected an object with the texts id and reviewer")
    fields = {"id": value["id"], "reviewer": value.get("reviewer", "")}
    for axis in AXES:
        grade = value.get(axis)
        if not (grade is None and axis != "success") and not (type(grade) is int and 0 <= grade <= TOP):
            raise DataError(f"{where}: {axis} is {grade!r:.20}; expected 0, 1 or 2")
        fields[axis] = grade
    return fields
