"""Records to labelled rows: columns and expressions, label map, and a reason for every row that is dropped.

Not here: which role a row gets (`roles.py`), files (`readers.py`).
"""

from collections import Counter

import polars as pl
from polars.exceptions import PolarsError

from asteer_core.datasets.expressions import condition, expression
from asteer_core.datasets.readers import Source
from asteer_core.datasets.spec import Columns, DatasetSpec
from asteer_core.errors import DataError
from asteer_core.panics import panics_are_errors

MAX_CHARACTERS = 20_000
SHOWN = 5
OWN_SPLIT = "own_split"
_PLAIN_LABELS = {"0": 0, "1": 1, "false": 0, "true": 1}


def labelled_rows(spec: DatasetSpec, source: Source) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the usable rows of one source, and how many were dropped for which reason.

    Columns: `split` (the data set's own), `file`, `row` (record from 1), `part`, `prompt`, `response`, `group`, `label` (0/1).

    Raises:
        DataError: a column is missing, an expression fails, or a label is outside the map; the message names file and rows.
    """
    # Expressions may tell the data set's own splits apart.
    frame = source.read().with_columns(pl.lit(source.split).alias(OWN_SPLIT))
    parts = [_selected(spec, source, frame, columns, number) for number, columns in enumerate(spec.columns)]
    rows = pl.concat(parts)
    _refuse_unmapped(spec, source, rows)
    rows = rows.with_columns(label=_mapped(spec), reason=_reason(spec))
    dropped = Counter(dict(rows.filter(pl.col("reason").is_not_null()).group_by("reason").len().rows()))
    kept = rows.filter(pl.col("reason").is_null()).drop("reason", "meets")
    return kept.with_columns(split=pl.lit(source.split), file=pl.lit(source.name)), dropped


def _selected(spec: DatasetSpec, source: Source, frame: pl.LazyFrame, columns: Columns, number: int) -> pl.DataFrame:
    where = f"{source.name}, columns{f'[{number}]' if len(spec.columns) > 1 else ''}"
    schema = frame.collect_schema()
    wanted = {"response": columns.response, "label": columns.label, "prompt": columns.prompt, "group": columns.group}
    for name, value in wanted.items():
        if isinstance(value, str) and value not in schema:
            raise DataError(f"{where}.{name}: no column {value!r}; the file has {', '.join(schema)}")
    found = {name: expression(value, f"{where}.{name}") for name, value in wanted.items() if value is not None}
    meets = condition(spec.where, f"{source.name}, where") if spec.where else pl.lit(True)
    try:
        chosen = frame.with_row_index("row", offset=1).select(
            "row", meets=meets.fill_null(False), **{name: found.get(name, pl.lit(None, pl.String)) for name in wanted}
        )
        with panics_are_errors():
            rows = _one_per_reply(chosen).collect(engine="streaming")
    except PolarsError as error:
        raise DataError(f"{where}: {str(error).splitlines()[0]}; the file has {', '.join(schema)}") from None
    if rows.schema["meets"] != pl.Boolean:
        raise DataError(f"{source.name}, where: {spec.where!r} gives {rows.schema['meets']}, expected true or false for each record")
    prompt = pl.col("prompt") if columns.prompt is not None else pl.lit("")
    return _texts(rows, where).with_columns(
        prompt=prompt,
        # Replies to one prompt belong together: apart, a detector would be tested on prompts it has seen.
        group=pl.coalesce("group", pl.when(prompt != "").then(prompt), "response"),
        part=pl.lit(number),
    )


def _one_per_reply(chosen: pl.LazyFrame) -> pl.LazyFrame:
    return chosen.explode("response") if isinstance(chosen.collect_schema()["response"], pl.List) else chosen


def _texts(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    for name in ("response", "label", "prompt", "group"):
        if rows.schema[name].is_nested():
            raise DataError(f"{where}.{name}: holds {rows.schema[name]}, expected text or a number; pick a part of it with {{sql: ...}}")
    label = pl.col("label")
    if rows.schema["label"].is_float():
        label = pl.when(label == label.floor()).then(label.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(label.cast(pl.String))
    return rows.with_columns(pl.col("response", "prompt", "group").cast(pl.String), label=label.cast(pl.String).str.strip_chars())


def _map(spec: DatasetSpec) -> dict[str, int | None]:
    return dict(spec.label_map) or dict(_PLAIN_LABELS)


def _refuse_unmapped(spec: DatasetSpec, source: Source, rows: pl.DataFrame) -> None:
    known = _map(spec)
    outside = rows.filter(pl.col("meets") & pl.col("label").is_not_null() & ~pl.col("label").is_in(list(known)))
    if outside.height:
        values = ", ".join(f"{value!r} ({count})" for value, count in outside["label"].value_counts(sort=True).head(SHOWN).rows())
        raise DataError(
            f"{source.name}: {outside.height} labels are outside the label map: {values}, such as in rows "
            f"{', '.join(map(str, outside['row'].head(SHOWN)))}; expected {', '.join(known)}. "
            f"Add them to `label_map` of data set {spec.name!r}: 1 (violating), 0 (not) or null (drop the row)"
        )


def _mapped(spec: DatasetSpec) -> pl.Expr:
    known = {text: value for text, value in _map(spec).items() if value is not None}
    return pl.col("label").replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.Int8)


def _reason(spec: DatasetSpec) -> pl.Expr:
    dropped = [text for text, value in _map(spec).items() if value is None]
    prompted = any(columns.prompt is not None for columns in spec.columns)
    faults = [
        (~pl.col("meets"), pl.lit("does not meet `where`")),
        (pl.col("label").is_null(), pl.lit("no label")),
        (pl.col("label").is_in(dropped), pl.format("label {} maps to null", pl.col("label").str.slice(0, 40))),
        (pl.col("response").fill_null("").str.strip_chars() == "", pl.lit("empty response")),
        (pl.lit(prompted) & (pl.col("prompt").fill_null("").str.strip_chars() == ""), pl.lit("empty prompt")),
        (
            pl.max_horizontal(pl.col("response").str.len_chars(), pl.col("prompt").str.len_chars()) > MAX_CHARACTERS,
            pl.lit(f"more than {MAX_CHARACTERS:,} characters"),
        ),
    ]
    return pl.coalesce([pl.when(fault).then(reason) for fault, reason in faults])
