"""Texts to score, from a stream or a file of any usual form; a broken line becomes a record that says what is wrong with it.

Not here: scoring (`detected_rows.py`), corpora that must be whole (`corpus_file.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from asteer_core.errors import DataError
from asteer_core.study.corpus_file import KINDS, file_rows

Form = Literal["auto", "jsonl", "text"]
Record = tuple[int, dict[str, Any] | str]
"""Number of a row, from 1, and its columns; or what is wrong with it."""

JSON_LINES, PLAIN = (".jsonl", ".ndjson"), (".txt",)
WANTED = "expected an object with `response` (or `text`)"


def json_records(lines: Iterable[str | bytes]) -> Iterator[Record]:
    """Yield a record for each line that is not blank: the object in it, or what is wrong."""
    for number, line in enumerate(lines, start=1):
        text = _decoded(line)
        if text is not None and not text.strip():
            continue
        yield number, "not UTF-8; save the file as UTF-8" if text is None else _object(text)


def plain_records(lines: Iterable[str | bytes]) -> Iterator[Record]:
    """Yield each line that is not blank as a text."""
    for number, line in enumerate(lines, start=1):
        text = _decoded(line)
        if text is None:
            yield number, "not UTF-8; save the file as UTF-8"
        elif text.strip():
            yield number, {"text": text.rstrip("\r\n")}


def stream_records(lines: Iterable[str | bytes], form: Form = "auto") -> Iterator[Record]:
    """Yield the records of a stream: JSON lines unless `form` says text."""
    return plain_records(lines) if form == "text" else json_records(lines)


def file_records(path: Path, form: Form = "auto") -> Iterator[Record]:
    """Yield the records of a file; `auto` goes by its ending: .jsonl, .ndjson, .txt (a text per line), .json (a list), .csv, .parquet.

    Raises:
        DataError: the file cannot be read, or its ending is unknown; at the first record.
    """
    ending = path.suffix.lower()
    if form == "auto" and ending not in (*KINDS, *PLAIN):
        known = ", ".join((*KINDS, *PLAIN))
        raise DataError(f"{path}: unknown kind of file {ending!r}; expected {known}, or say --format jsonl or --format text")
    if form == "auto" and ending not in (*JSON_LINES, *PLAIN):
        yield from enumerate(file_rows(path), start=1)
        return
    try:
        with path.open("rb") as stream:
            yield from stream_records(stream, "text" if form == "text" or (form == "auto" and ending in PLAIN) else "jsonl")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None


def text_of(columns: dict[str, Any]) -> Any:
    """Return the text of a row: its `response`, or else its `text`."""
    return next((columns[key] for key in ("response", "text") if columns.get(key) is not None), None)


def fault_of(what: str, value: Any) -> str | None:
    """Return what is wrong with a value that should be text, or None."""
    if not isinstance(value, str):
        return f"{what} is {'missing' if value is None else type(value).__name__}; expected text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{what} holds half of a surrogate pair, which is no character"
    return None


def _decoded(line: str | bytes) -> str | None:
    try:
        return line if isinstance(line, str) else line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _object(text: str) -> dict[str, Any] | str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"not JSON; {WANTED}"
    return value if isinstance(value, dict) else f"a JSON {type(value).__name__}; {WANTED}"
