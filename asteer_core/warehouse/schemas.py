"""The declared tables of the warehouse: every column with its type, unit and meaning; the data dictionary is made from this.

Belongs here: the vocabulary of declarations and the lookup. Does not: SQL, files, or a computation. The declarations
stand in `tables_study.py` (what a study is), `tables_line.py` (what the line makes) and `tables_analysis.py` (what is concluded).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from asteer_core.errors import unknown_name

SCHEMA_VERSION = 6
"""Raised with every change of a declared table or view; an older warehouse is published again, the parquet files are kept."""

Role = Literal["large", "metrics", "stored", "view", "about"]
"""How a table is published. `large`: a live view over the parquet files. `metrics`: a real table, copied at publication.

`stored`: a real table in the schema `stored`, beside a view of the same name that computes the point values in SQL.
`view`: written in SQL alone. `about`: the publication itself.
"""

SQL_TYPES: Mapping[str, str] = {"text": "VARCHAR", "real": "DOUBLE", "count": "BIGINT", "flag": "BOOLEAN", "time": "TIMESTAMP"}
POLARS_TYPES: Mapping[str, pl.DataType] = {
    "text": pl.String(), "real": pl.Float64(), "count": pl.Int64(), "flag": pl.Boolean(), "time": pl.Datetime("us"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit` holds the unit or range of its values; `key` says that it is part of what identifies a row."""

    name: str
    kind: Literal["text", "real", "count", "flag", "time"]
    doc: str
    unit: str = ""
    key: bool = False

    @property
    def comment(self) -> str:
        """Return the text of the data dictionary: meaning, unit, and whether it is a key."""
        return self.doc + (f" [{self.unit}]" if self.unit else "") + (" (key)" if self.key else "")


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view of the warehouse."""

    name: str
    role: Role
    doc: str
    columns: tuple[Column, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that together identify a row."""
        return tuple(column.name for column in self.columns if column.key)

    @property
    def polars_schema(self) -> pl.Schema:
        """Return the declared schema of the frame that a stage writes."""
        return pl.Schema({column.name: POLARS_TYPES[column.kind] for column in self.columns})


def text(name: str, doc: str, *, key: bool = False) -> Column:
    """Return a column of text."""
    return Column(name, "text", doc, key=key)


def real(name: str, doc: str, unit: str, *, key: bool = False) -> Column:
    """Return a column of floating-point numbers; `unit` is their unit or range."""
    return Column(name, "real", doc, unit, key)


def count(name: str, doc: str, unit: str = "count", *, key: bool = False) -> Column:
    """Return a column of integers."""
    return Column(name, "count", doc, unit, key)


def flag(name: str, doc: str) -> Column:
    """Return a column of true or false."""
    return Column(name, "flag", doc)


def interval(name: str, doc: str, unit: str) -> tuple[Column, ...]:
    """Return a quantity and the ends of its 95 % interval, `<name>_lo` and `<name>_hi`."""
    return (
        real(name, doc, unit),
        real(f"{name}_lo", f"lower end of the 95 % interval of {name}", unit),
        real(f"{name}_hi", f"upper end of the 95 % interval of {name}", unit),
    )


STUDY = text("study", "the study that made the row", key=True)
CONCEPT = text("concept", "the violation the row is about, such as toxicity", key=True)


def identity(*, key: bool = True) -> tuple[Column, ...]:
    """Return the columns that every row of a configuration carries; `configuration_id` joins them all."""
    return (
        STUDY,
        CONCEPT,
        text(
            "configuration_id", "concept, configuration key and a hash; joins the tables; NULL where no corpus is behind the row", key=key
        ),
        text("model", "registry name of the model that generated"),
        text("method", "steering method, or the baseline unsteered or prompted"),
        count("layer", "decoder block whose output is edited; NULL for baselines", "block, from 0"),
        real("strength", "the method's dial; NULL for baselines", "share of the residual norm, or of the angle; 0 = off"),
        text("template", "system prompt of a prompted baseline, else NULL"),
        count("seed", "seed of the study", "none"),
    )


def tables() -> dict[str, Table]:
    """Return every declared table by its qualified name; tables of the role `stored` are named `stored.<name>`."""
    from asteer_core.warehouse.tables_analysis import ANALYSIS
    from asteer_core.warehouse.tables_line import LINE
    from asteer_core.warehouse.tables_search import SEARCH
    from asteer_core.warehouse.tables_study import STUDY_TABLES

    return {f"stored.{table.name}" if table.role == "stored" else table.name: table for table in (*STUDY_TABLES, *LINE, *ANALYSIS, *SEARCH)}


def table(name: str) -> Table:
    """Return one declared table.

    Raises:
        ConfigError: no such table; the nearest is suggested.
    """
    known = tables()
    if name not in known:
        raise unknown_name("table", name, known)
    return known[name]
