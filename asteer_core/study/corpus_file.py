"""A corpus from a file of any origin: prompts and responses, checked row by row. Not here: what is measured on them (`scoring.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import DataError
from asteer_core.panics import panics_are_errors

KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called. `configuration` is optional in a file: each of its values is a corpus of its own."""

    prompt: str = "prompt"
    response: str = "response"
    configuration: str = "configuration"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows of one configuration (None: the file names none), in the order of the file."""

    configuration: str | None
    prompts: list[str]
    responses: list[str]


def read_corpora(file: Path | str | pl.DataFrame, columns: Columns | None = None) -> list[Corpus]:
    """Return the corpora of a file or frame, one per configuration, in order of appearance.

    Files are JSON lines (.jsonl, .ndjson), a JSON list of objects (.json), .csv or .parquet.

    Raises:
        DataError: the file cannot be read, a column is missing, there are no rows, or a prompt or response is not text; names the row.
    """
    columns = columns or Columns()
    where = "frame" if isinstance(file, pl.DataFrame) else str(file)
    found: dict[str | None, Corpus] = {}
    rows = file.iter_rows(named=True) if isinstance(file, pl.DataFrame) else file_rows(Path(file))
    for number, row in enumerate(rows, start=1):
        prompt, response = (_text(row, name, f"{where}, row {number}") for name in (columns.prompt, columns.response))
        value = row.get(columns.configuration)
        name = None if value in (None, "") else str(value)
        corpus = found.setdefault(name, Corpus(name, [], []))
        corpus.prompts.append(prompt)
        corpus.responses.append(response)
    if not found:
        raise DataError(f"{where}: no rows; expected at least one with {columns.prompt!r} and {columns.response!r}")
    return list(found.values())


def whole(corpora: list[Corpus]) -> Corpus:
    """Return all rows as one corpus that names no configuration, unless it is the only one."""
    name = corpora[0].configuration if len(corpora) == 1 else None
    return Corpus(name, [one for corpus in corpora for one in corpus.prompts], [one for corpus in corpora for one in corpus.responses])


def _text(row: dict[str, Any], name: str, where: str) -> str:
    if name not in row:
        raise DataError(f"{where}: no column {name!r}; has {', '.join(map(repr, row)) or 'none'}; name the column by option")
    value = row[name]
    if not isinstance(value, str):
        raise DataError(
            f"{where}: {name} is {'missing' if value is None else type(value).__name__}; expected text (an empty one is allowed)"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{where}: {name} holds half of a surrogate pair, which is no character; replace it") from None
    return value


def file_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file as column -> value.

    Raises:
        DataError: the file cannot be read, or its kind is unknown; at the first row.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise DataError(f"{path}: unknown kind of file {kind!r}; expected {', '.join(KINDS)}")
    try:
        if kind == ".csv":
            # Every column as text: a response that happens to be a number, or empty, is still a response.
            yield from pl.read_csv(path, infer_schema=False, empty_string_is_null=False).iter_rows(named=True)
        elif kind == ".parquet":
            yield from _parquet(path).iter_rows(named=True)
        elif kind == ".json":
            yield from _listed(path)
        else:
            yield from _lines(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        # Such a message may quote the data, which must not reach a terminal.
        raise DataError(f"{path}: cannot be read as {kind[1:]} ({type(error).__name__}); check the file") from None


@panics_are_errors()
def _parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _object(_parsed(line, f"{path}, line {number}"), f"{path}, line {number}")


def _listed(path: Path) -> Iterator[dict[str, Any]]:
    value = _parsed(path.read_text(encoding="utf-8-sig"), str(path))
    if not isinstance(value, list):
        raise DataError(f"{path}: holds a JSON {type(value).__name__}; expected a list of objects, or JSON lines in a .jsonl file")
    for number, row in enumerate(value, start=1):
        yield _object(row, f"{path}, row {number}")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: not JSON; expected an object with the columns of the corpus") from None


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON {type(value).__name__}; expected an object with the columns of the corpus")
    return value
