"""What can be typed next in SQL over the warehouse: its tables, columns, macros, and the words of the language.

Belongs here: the list, read once from an open warehouse. Does not: a prompt or keys (the command line has them).
"""

from dataclasses import dataclass
from pathlib import Path

from asteer_core.warehouse.query import connect, fetch

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING", "ON", "AND", "OR", "NOT", "NULL", "IS", "IN",
    "LIKE", "AS", "WITH", "UNION ALL", "HAVING", "QUALIFY", "PIVOT", "UNPIVOT", "DESCRIBE", "SUMMARIZE", "DESC", "ASC", "NULLS LAST",
    "DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "END", "BETWEEN", "EXCLUDE", "REPLACE", "COLUMNS", "GROUP BY ALL", "ORDER BY ALL",
)  # fmt: skip

_NAMES = """
SELECT table_name AS name, 'table' AS kind, coalesce(comment, '') AS doc FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main'
UNION ALL SELECT view_name, 'view', coalesce(comment, '') FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'
UNION ALL SELECT column_name, 'column', any_value(comment) FROM duckdb_columns()
    WHERE NOT internal AND schema_name = 'main' GROUP BY column_name
UNION ALL SELECT function_name || '(', 'macro', coalesce(any_value(comment), '') FROM duckdb_functions() WHERE NOT internal GROUP BY 1
ORDER BY kind DESC, name
"""


@dataclass(frozen=True)
class Name:
    """Something that can be typed, what it is, and what it means."""

    text: str
    kind: str
    doc: str


def names(warehouse: Path | None = None) -> list[Name]:
    """Return every table, view, column and macro of the warehouse, and the keywords of SQL.

    Raises:
        StoreError: there is no warehouse, or one of another version.
    """
    with connect(warehouse) as connection:
        found = [Name(*row) for row in fetch(connection, _NAMES).rows()]
    return [*found, *(Name(word, "keyword", "") for word in KEYWORDS)]
