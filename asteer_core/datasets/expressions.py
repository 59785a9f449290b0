"""SQL expressions over one record: parsed by Polars, refused when they could see anything but the record itself."""

import re

import polars as pl
from polars.exceptions import PolarsError

from asteer_core.datasets.spec import Sql, Value
from asteer_core.errors import DataError

_STRINGS = re.compile(r"'(?:[^']|'')*'")
_QUERY = re.compile(r"\b(select|from|with|table)\b", re.IGNORECASE)


def expression(value: Value, where: str) -> pl.Expr:
    """Return the expression of a column name or of a Polars SQL expression.

    Polars SQL has no functions that run Python. A query inside the expression could read files (`read_csv`), so queries are
    refused, and so is all that looks at other rows (`MAX`, `OVER`): a row must not depend on its neighbours.

    Raises:
        DataError: not one SQL expression, a query, or it looks beyond the record.
    """
    if not isinstance(value, Sql):
        return pl.col(value) if not value.startswith("^") else pl.col([value])
    found = _QUERY.search(_STRINGS.sub("''", value.sql))
    if found:
        raise DataError(f"{where}: {value.sql!r} holds a query ({found[0].upper()}); write one expression over the columns of a record")
    try:
        parsed = pl.sql_expr(value.sql)
        # These look into the expression, and refuse some that the parser takes.
        single = (parsed.meta.is_row_separable() or parsed.meta.is_literal()) and not parsed.meta.has_multiple_outputs()
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{where}: {value.sql!r} is not a Polars SQL expression: {reason}") from None
    if not single:
        raise DataError(f"{where}: {value.sql!r} looks at more than one record; use functions of a single record only, without MAX or OVER")
    return parsed


def condition(sql: str, where: str) -> pl.Expr:
    """Return the Boolean expression of a `where`; see `expression`."""
    return expression(Sql(sql=sql), where)
