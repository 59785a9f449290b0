"""A query's rows as text or a file: CSV, JSON lines, parquet.

Belongs here: what makes a format safe for who opens it. Does not: tables for a terminal (the command line), or queries.
"""

import json
from pathlib import Path

import polars as pl

from asteer_core.errors import ConfigError
from asteer_core.warehouse.files import replace_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make a spreadsheet read a cell as a formula, the full-width ones included."""


def neutral(text: str | None) -> str | None:
    """Return the text with an apostrophe in front where a spreadsheet would take it for a formula.

    Source: OWASP, CSV injection.
    """
    return f"'{text}" if text and (text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)) else text


def to_csv(frame: pl.DataFrame) -> str:
    """Return rows as CSV in which no text is a spreadsheet formula: such a cell gets an apostrophe in front.

    Generated text is untrusted, and a cell like `=HYPERLINK(...)` would act when somebody opens the file. Numbers stay numbers.
    """
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    guarded = [pl.Series(name, map(neutral, frame[name]), dtype=pl.String) for name in texts]
    columns = [str(neutral(name)) for name in frame.columns]
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    # CSV has no lists; their JSON is what every reader can take apart again.
    flat = [pl.Series(name, map(_json, frame[name].to_list())) for name in nested]
    return frame.with_columns(flat).with_columns(guarded).rename(dict(zip(frame.columns, columns, strict=True))).write_csv()


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, default=str)


def to_json_lines(frame: pl.DataFrame) -> str:
    """Return one JSON object per row and line."""
    # DuckDB takes 2.5 for a decimal, which JSON would carry as text.
    return frame.with_columns(pl.selectors.decimal().cast(pl.Float64)).write_ndjson()


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """Write rows to a file in the format of its suffix: .csv, .json or .jsonl, .parquet; the file appears complete or not at all.

    Raises:
        ConfigError: another suffix.
        StoreError: the file cannot be written.
    """
    writers = {
        ".csv": lambda file: file.write_text(to_csv(frame), encoding="utf-8"),
        ".json": lambda file: file.write_text(frame.write_json(), encoding="utf-8"),
        ".jsonl": lambda file: file.write_text(to_json_lines(frame), encoding="utf-8"),
        ".parquet": frame.write_parquet,
    }
    if path.suffix not in writers:
        raise ConfigError(f"{path}: a file name must end in one of {', '.join(writers)}")
    replace_file(path, writers[path.suffix])
