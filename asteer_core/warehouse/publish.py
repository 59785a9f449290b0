"""Builds `warehouse.duckdb` beside the parquet files: live views over the large tables, copies of the small ones, analysis in SQL.

Belongs here: turning stores into one database file that readers never see half built. Does not: the meaning of a column
(`tables_*.py`), a formula (`sql/*.sql`), or reading the result (`query.py`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb
import polars as pl

from asteer_core.detectors import AUDITS
from asteer_core.errors import StoreError
from asteer_core.types import check_name
from asteer_core.warehouse.files import has_parquet, read_frame, replace_file, stamps
from asteer_core.warehouse.places import is_remote, reach_stores
from asteer_core.warehouse.schemas import SCHEMA_VERSION, SQL_TYPES, Column, Table, table, tables

# A later file uses what an earlier one created.
SCRIPTS = (
    "macros", "leaderboard", "baselines", "configurations", "metric_auroc_correlation", "beats_prompting", "strength_curves", "narrow_band",
    "regret", "audits", "table_macros",
)  # fmt: skip

_AUDITS = tuple((audit.name, audit.measure, audit.gate(), audit.folded) for audit in AUDITS)
"""Audit, the column it reads, its gate, and whether the value is folded about .5; a test holds it against `detectors.flags`."""


def publish(stores: Mapping[str, Path], path: Path) -> dict[str, int]:
    """Build the warehouse of `stores` (study -> root of its store) at `path`; return the rows of every copied table.

    The file is built under another name and renamed, so readers keep the old one and open the new one, never a part. Views
    hold absolute paths or URLs: rows of new partitions appear at once, and after moving a store one publishes again.

    Raises:
        StoreError: a parquet file is truncated or of another layout (named, with what to do), or the folder cannot be written.
        ConfigError: a study's name cannot stand in SQL.
    """
    for study in stores:
        check_name("study", study)
    roots = {study: root if is_remote(root) else Path(root).resolve() for study, root in stores.items()}
    rows: dict[str, int] = {}
    replace_file(Path(path), lambda temporary: rows.update(_build(roots, temporary)))
    return rows


def _build(roots: Mapping[str, Path], file: Path) -> dict[str, int]:
    try:
        with duckdb.connect(str(file)) as connection:
            connection.execute("SET enable_progress_bar = false")
            # In the order of the files, each of 20,000 small files has blocks of its own in memory: 7 GiB in place of 300 MiB.
            connection.execute("SET preserve_insertion_order = false")
            reach_stores(connection, map(str, roots.values()))
            # One transaction: hundreds of comments, each with a flush of its own, took most of the time.
            connection.begin()
            connection.execute("CREATE SCHEMA stored")
            rows = {}
            for name, table in tables().items():
                if table.role == "about":
                    _write_about(connection, roots)
                elif table.role != "view":
                    rows |= _add(connection, roots, name, table)
            _write_gates(connection)
            connection.execute(f"CREATE VIEW partitions AS {_partitions(roots)}")
            for name in SCRIPTS:
                connection.execute(script(name))
            for name, table in tables().items():
                _comment(connection, name, table)
            connection.commit()
    except duckdb.Error as error:
        raise StoreError(f"{file.parent}: the warehouse cannot be built: {error}") from error
    finally:
        # A build that failed half way leaves its log, which the rename of the file itself does not cover.
        file.with_name(file.name + ".wal").unlink(missing_ok=True)
    return rows


def script(name: str) -> str:
    """Return the SQL of one file of views or macros."""
    return resources.files("asteer_core.warehouse").joinpath("sql", f"{name}.sql").read_text("utf-8")


def _add(connection: duckdb.DuckDBPyConnection, roots: Mapping[str, Path], name: str, table: Table) -> dict[str, int]:
    try:
        sources = [(study, source) for study, root in roots.items() for source in _sources(connection, root, table.name)]
        selects = [_select(connection, study, source, table) for study, source in sources] or [_empty(table)]
        kind = "VIEW" if table.role == "large" else "TABLE"
        connection.execute(f"CREATE {kind} {_qualified(name)} AS " + " UNION ALL BY NAME ".join(selects))
    except duckdb.Error as error:
        raise _broken(roots, table, error) from error
    if table.role == "large":
        return {}
    return {name: int(connection.execute(f"SELECT count(*) FROM {_qualified(name)}").fetchall()[0][0])}


def _sources(connection: duckdb.DuckDBPyConnection, root: Path, table: str) -> list[str]:
    """Return the FROM clauses that cover the files of one table in one store."""
    found = []
    if has_parquet(root / table, "concept=*/*.parquet"):
        files = quote(f"{_literal_glob(root / table)}/concept=*/*.parquet")
        options = "hive_partitioning = true, hive_types = {'concept': VARCHAR}"
        found.append(f"read_parquet({files}, union_by_name = {_differ(connection, files)}, {options})")
    if has_parquet(root / table, "*.parquet"):
        files = quote(f"{_literal_glob(root / table)}/*.parquet")
        found.append(f"read_parquet({files}, union_by_name = {_differ(connection, files)}, hive_partitioning = false)")
    return found


def _differ(connection: duckdb.DuckDBPyConnection, files: str) -> bool:
    """Return whether the files have different columns. Only then are they united by name, which opens every file at every query."""
    layouts = f"SELECT list(name || coalesce(type, '') ORDER BY name) AS layout FROM parquet_schema({files}) GROUP BY file_name"
    return int(connection.execute(f"SELECT count(DISTINCT layout) FROM ({layouts})").fetchall()[0][0]) > 1


def _select(connection: duckdb.DuckDBPyConnection, study: str, source: str, table: Table) -> str:
    present = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    declared = {column.name for column in table.columns}
    parts = [_expression(column, study, column.name in present) for column in table.columns]
    # A newer stage may write more than is declared; nothing of it is lost.
    parts += [identifier(name) for name in present if name not in declared and name != "study"]
    return f"SELECT {', '.join(parts)} FROM {source}"


def _expression(column: Column, study: str, present: bool) -> str:
    name, kind = identifier(column.name), SQL_TYPES[column.kind]
    if column.name == "study":
        return f"CAST({quote(study)} AS {kind}) AS {name}"
    if not present:
        return f"CAST(NULL AS {kind}) AS {name}"
    if column.kind == "real":
        # NaN sorts above every number in SQL and spoils sums; undefined is NULL.
        return f"CASE WHEN NOT isnan(CAST({name} AS {kind})) THEN CAST({name} AS {kind}) END AS {name}"
    return f"CAST({name} AS {kind}) AS {name}"


def _empty(table: Table) -> str:
    columns = ", ".join(f"CAST(NULL AS {SQL_TYPES[column.kind]}) AS {identifier(column.name)}" for column in table.columns)
    return f"SELECT {columns} WHERE false"


def _write_about(connection: duckdb.DuckDBPyConnection, roots: Mapping[str, Path]) -> None:
    connection.execute("CREATE TABLE about (schema_version BIGINT, study VARCHAR, store VARCHAR, published_at TIMESTAMP)")
    now = datetime.now(UTC).replace(tzinfo=None)
    for study, root in roots.items():
        connection.execute("INSERT INTO about VALUES (?, ?, ?, ?)", [SCHEMA_VERSION, study, str(root), now])


def _write_gates(connection: duckdb.DuckDBPyConnection) -> None:
    rows = ", ".join(f"({quote(audit)}, {quote(measure)}, CAST({gate!r} AS DOUBLE), {folded})" for audit, measure, gate, folded in _AUDITS)
    connection.execute(f"CREATE VIEW audit_gates AS SELECT * FROM (VALUES {rows}) AS gates (audit, measure, gate, folded)")


def _partitions(roots: Mapping[str, Path]) -> str:
    """Return the SELECT over the footers of all stored files; nothing is read before somebody asks."""
    names = [table.name for table in tables().values() if table.role not in ("view", "about")]
    found = [(study, name, root / name) for study, root in roots.items() for name in names if has_parquet(root / name)]
    columns = {column.name: SQL_TYPES[column.kind] for column in table("partitions").columns}
    if not found:
        return _empty(table("partitions"))
    selects = []
    for study, name, folder in found:
        files = quote(f"{_literal_glob(folder)}/**/*.parquet")
        values = {
            "study": quote(study),
            "table_name": quote(name),
            "file": "filename",
            "concept": r"nullif(regexp_extract(filename, 'concept=([^/\\]+)', 1), '')",
            "partition": r"replace(parse_filename(filename, true), '~', ':')",
            "content_key": "content_key",
            "asteer_version": "asteer_version",
            "written_at": "last_modified AT TIME ZONE 'UTC'",
            "bytes": "size",
        }
        footers = (
            "SELECT file_name, max(CASE WHEN decode(key) = 'asteer.content_key' THEN decode(value) END) AS content_key, "
            "max(CASE WHEN decode(key) = 'asteer.version' THEN decode(value) END) AS asteer_version "
            f"FROM parquet_kv_metadata({files}) WHERE decode(key) LIKE 'asteer.%' GROUP BY file_name"
        )
        chosen = ", ".join(f"CAST({values[column]} AS {kind}) AS {identifier(column)}" for column, kind in columns.items())
        selects.append(
            f"SELECT {chosen} FROM (SELECT filename, size, last_modified FROM read_blob({files})) "
            f"LEFT JOIN ({footers}) ON file_name = filename"
        )
    return " UNION ALL ".join(selects)


def _comment(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    kind = "VIEW" if table.role in ("view", "large") else "TABLE"
    docs = {column.name: column.comment for column in table.columns}
    connection.execute(f"COMMENT ON {kind} {_qualified(name)} IS {quote(table.doc)}")
    for row in connection.execute(f"DESCRIBE {_qualified(name)}").fetchall():
        column = str(row[0])
        doc = docs.get(column, "written by a stage, not declared by this version")
        connection.execute(f"COMMENT ON COLUMN {_qualified(name)}.{identifier(column)} IS {quote(doc)}")


def _broken(roots: Mapping[str, Path], table: Table, error: duckdb.Error) -> StoreError:
    """Return the error that names the first unreadable file of a table, or the table where every file can be read."""
    for root in roots.values():
        for file in [root / table.name / name for name in stamps(root / table.name)]:
            try:
                read_frame(file)
            except (pl.exceptions.PolarsError, OSError):
                return StoreError(f"{file}: not a complete parquet file; delete it and run the study again, the rest is kept")
    wanted = ", ".join(f"{column.name} {SQL_TYPES[column.kind]}" for column in table.columns)
    return StoreError(f"table {table.name!r}: its files do not have the declared layout ({wanted}): {error}")


def _literal_glob(path: Path) -> str:
    """Return a pattern that matches `path` alone, whatever its folders are called."""
    name = str(path) if is_remote(path) else path.as_posix()
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _qualified(name: str) -> str:
    return ".".join(identifier(part) for part in name.split("."))


def identifier(name: str) -> str:
    """Return `name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote(value: str) -> str:
    """Return `value` quoted as an SQL string."""
    return "'" + value.replace("'", "''") + "'"
