"""The data dictionary as a page: every table, view and macro with columns, types, units and keys, from the declarations alone."""

import tempfile
from pathlib import Path

from asteer_core.warehouse.publish import publish
from asteer_core.warehouse.query import query
from asteer_core.warehouse.schemas import SCHEMA_VERSION, SQL_TYPES, Table, tables

ROLES = {
    "large": "Live view over parquet files: new partitions appear at once.",
    "metrics": "Table, copied when the warehouse is published.",
    "stored": "Table, as the analysis stage wrote it; the view of the same name computes its point values in SQL.",
    "view": "View in SQL.",
    "about": "Table, written at publication.",
}

_HEAD = f"""\
# Data dictionary

Every table and view of `warehouse.duckdb`, schema version {SCHEMA_VERSION}. The same text stands in the warehouse as comments
(`FROM duckdb_columns()`), and `asteer warehouse dictionary` prints this page. An undefined value is NULL, with a `reason` where there
is one, never 0. Join on `study` and `configuration_id`. Which run made a row, when, and with which code: join `partitions` and
`run_partitions` on `study`, `concept` and the configuration key (`configuration_id` without concept and hash).
"""


def dictionary() -> str:
    """Return the data dictionary as Markdown."""
    declared = tables()
    names = "\n".join(f"- [`{name}`](#{_anchor(name)}): {table.doc}" for name, table in declared.items())
    return "\n".join([_HEAD, names, "", *(_section(name, table) for name, table in declared.items()), _macros()])


def _section(name: str, table: Table) -> str:
    lines = [f"## {name}", "", f"{table.doc} {ROLES[table.role]}", ""]
    lines += ["| column | type | key | meaning | unit or range |", "|---|---|---|---|---|"]
    for column in table.columns:
        cells = (f"`{column.name}`", SQL_TYPES[column.kind], "yes" if column.key else "", _cell(column.doc), _cell(column.unit))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _macros() -> str:
    sql = """
    SELECT function_name AS name, any_value(array_to_string(parameters, ', ')) AS parameters, any_value(comment) AS doc,
        any_value(function_type) = 'table_macro' AS is_table
    FROM duckdb_functions() WHERE NOT internal GROUP BY function_name ORDER BY is_table DESC, name
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.duckdb"
        publish({}, path)
        found = query(sql, path).rows(named=True)
    lines = ["## Macros", "", "| call | result |", "|---|---|"]
    lines += [f"| `{'FROM ' if row['is_table'] else ''}{row['name']}({row['parameters']})` | {_cell(row['doc'] or '')} |" for row in found]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(name: str) -> str:
    return name.replace(".", "")
