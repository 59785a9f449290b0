"""Reading one JSONL file of a concept, row by row, into a typed polars frame; every fault is named by file and line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import DataError

MAX_CHARACTERS = 20_000
"""Longest text accepted in one field; longer ones are almost always a file joined without line breaks."""


@dataclass(frozen=True, slots=True)
class FileSchema:
    """What the rows of one file must hold: text columns, whether they carry a 0/1 label, and the splits they may name."""

    name: str
    texts: tuple[str, ...]
    splits: tuple[str, ...]
    labelled: bool = False
    optional: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Column name -> polars type, in order."""
        text = ("id", "group", "split", *self.texts, *self.optional)
        return {**{name: pl.String() for name in text}, **({"label": pl.Int8()} if self.labelled else {})}


PAIRS = FileSchema("pairs.jsonl", ("prompt", "violating", "compliant"), ("extraction", "extraction_heldout"), optional=("facet", "world"))
PROMPTS = FileSchema("prompts.jsonl", ("prompt",), ("generation",), optional=("world",))
JUDGE = FileSchema("judge.jsonl", ("prompt", "response"), ("judge",), labelled=True, optional=("kind", "facet", "world"))
REAL = FileSchema(
    "real.jsonl",
    ("prompt", "response"),
    ("detector_positives", "detector_negatives", "validation", "test"),
    labelled=True,
    optional=("kind", "facet", "world"),
)


def read_rows(path: Path, schema: FileSchema) -> pl.DataFrame:
    """Return the rows of `path` as a frame with the columns of `schema`.

    Raises:
        DataError: the file is missing, empty, or a row is broken; the message names file and line.
    """
    rows = [parse_row(where, row, schema) for where, row in read_objects(path, schema)]
    refuse_repeats(path, rows)
    return pl.DataFrame(rows, schema=schema.columns)


def read_objects(path: Path, schema: FileSchema) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place for errors, JSON object) of each row; the file holds JSON lines, or one JSON list.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not JSON, or a row is no object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: missing; a concept needs concept.yaml, pairs.jsonl, prompts.jsonl, judge.jsonl and real.jsonl") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if text.lstrip().startswith("["):
        values = [(f"{path}, row {number}", value) for number, value in enumerate(_json(f"{path}", text), 1)]
    else:
        # A JSON string may hold other line separators, such as U+2028, as they are.
        lines = [(f"{path}, line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        values = [(where, _json(where, line)) for where, line in lines]
    if not values:
        raise DataError(f"{path}: no rows; expected JSON lines with {', '.join(schema.columns)}")
    for where, value in values:
        if not isinstance(value, dict):
            raise DataError(f"{where}: got {type(value).__name__}, expected a JSON object with {', '.join(schema.columns)}")
        yield where, value


def _json(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); every line must be one complete JSON object") from None


def parse_row(where: str, row: dict[str, Any], schema: FileSchema) -> dict[str, object]:
    """Return the columns of `schema` from one row.

    Raises:
        DataError: a text is missing, empty or too long, a split is unknown, or the label is not 0 or 1.
    """
    parsed: dict[str, object] = {}
    for name in ("id", "group", "split", *schema.texts):
        parsed[name] = _text(where, name, row.get(name))
    for name in schema.optional:
        value = row.get(name)
        parsed[name] = None if value is None else _text(where, name, value)
    if parsed["split"] not in schema.splits:
        raise DataError(f"{where}: split {parsed['split']!r}, expected one of {', '.join(schema.splits)}")
    if schema.labelled:
        if row.get("label") not in (0, 1) or isinstance(row["label"], (bool, float)):
            raise DataError(f"{where}: label {row.get('label')!r}, expected 1 (violating) or 0 (not)")
        parsed["label"] = row["label"]
    return parsed


def _text(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {name} is {'missing' if value is None else 'empty or not text'}; expected non-empty text")
    if len(value) > MAX_CHARACTERS:
        raise DataError(f"{where}: {name} has {len(value)} characters, more than {MAX_CHARACTERS}; split or shorten the row")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise DataError(f"{where}: {name} holds a lone surrogate, which no file can store; write the character itself")
    return value


def refuse_repeats(path: Path, rows: list[dict[str, object]]) -> None:
    """Raise where an id stands twice.

    Raises:
        DataError: the id and its rows.
    """
    seen: dict[object, int] = {}
    for number, row in enumerate(rows, 1):
        first = seen.setdefault(row["id"], number)
        if first != number:
            raise DataError(f"{path}: id {row['id']!r} stands in rows {first} and {number}; ids must be unique")
