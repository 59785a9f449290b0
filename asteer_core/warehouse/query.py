"""Reading the warehouse: read-only connections that wait for a busy file, and SQL in, polars out.

Nothing here writes; a reader never blocks a stage, since stages write parquet files and publication renames a new file.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from asteer_core import paths
from asteer_core.errors import ConfigError, StoreError
from asteer_core.warehouse.places import is_remote, reach_stores, studies
from asteer_core.warehouse.schemas import SCHEMA_VERSION

QUIET = "SET enable_progress_bar = false"
"""DuckDB draws a bar into standard output during a long query, in the middle of what a program reads there."""
Parameters = Sequence[Any] | Mapping[str, Any] | None


def warehouse_path(home: Path | None = None) -> Path:
    """Return where the warehouse of a home folder lies; default `ASTEER_HOME`."""
    return paths.home(home) / "warehouse.duckdb"


def connect(path: Path | None = None, attempts: int = 10, wait: float = 0.1) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to the warehouse, trying again while another process holds the file.

    A connection goes on seeing the warehouse it opened; open a new one, after closing the old, to see a later publication.

    Args:
        path: the file; default `warehouse.duckdb` in `ASTEER_HOME`.
        attempts: how often to try. wait: seconds before the second try; doubled each time, up to two.

    Raises:
        StoreError: there is no warehouse, it stays locked, it is no DuckDB file, it was made by another version, or its home was moved.
    """
    file = path or warehouse_path()
    if not file.is_file():
        raise StoreError(
            f"{file}: no warehouse there yet; run a study (`asteer study run`), materialise the asset `warehouse`, or publish "
            "what is stored already with `asteer warehouse upgrade`"
        )
    connection = open_read_only(file, attempts, wait)
    try:
        found = schema_version(connection)
        if found is not None and found != SCHEMA_VERSION:
            raise StoreError(_other_version(file, found))
        _check_place(file, connection)
        reach_stores(connection, stores_named(connection))
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the schema version of an open warehouse; 0 where the file names none, None where it holds no study."""
    try:
        versions = [int(row[0]) for row in connection.execute("SELECT DISTINCT schema_version FROM about").fetchall()]
    except duckdb.Error:
        return 0
    return max(versions, default=None)


def stores_named(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the places of the parquet files behind the views of an open warehouse."""
    try:
        return [str(row[0]) for row in connection.execute("SELECT DISTINCT store FROM about").fetchall()]
    except duckdb.Error:
        return []


def _check_place(file: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse the warehouse of a home that was moved or copied: its views would go on reading the files of the old place."""
    for study, store in connection.execute("SELECT DISTINCT study, store FROM about").fetchall():
        own = studies(file.resolve().parent) / study
        if not is_remote(own) and not is_remote(store) and own.is_dir() and own.resolve() != Path(store).resolve():
            raise StoreError(
                f"{file}: its views read study {study!r} in {store}, but this home has that study in {own}: it was moved or copied. "
                "Run `asteer warehouse upgrade`, which publishes it again and changes no parquet file"
            )


def _other_version(file: Path, found: int) -> str:
    if found > SCHEMA_VERSION:
        return f"{file}: schema version {found}, made by a newer Asteer; this one reads {SCHEMA_VERSION}. Update Asteer to read it"
    was = f"schema version {found}" if found else "no version"
    return (
        f"{file}: {was}, expected {SCHEMA_VERSION}; run `asteer warehouse upgrade`, which publishes it again from the parquet files "
        "beside it and changes none of them"
    )


def open_read_only(file: Path, attempts: int = 10, wait: float = 0.1) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to any DuckDB file, whatever its version; see `connect`."""
    for attempt in range(1, attempts + 1):
        try:
            connection = duckdb.connect(str(file), read_only=True)
            connection.execute(QUIET)
            return connection
        except duckdb.Error as error:
            if "lock" not in str(error).lower():
                what = f"not a DuckDB database that this version reads ({error})"
                raise StoreError(f"{file}: {what}; delete it and run `asteer warehouse upgrade`") from error
            if attempt == attempts:
                raise StoreError(f"{file}: another program holds it for writing ({error}); close that program, then try again") from error
            time.sleep(min(wait * 2 ** (attempt - 1), 2.0))
    raise ValueError(f"attempts={attempts}: must be at least 1")


def query(sql: str, path: Path | None = None, parameters: Parameters = None) -> pl.DataFrame:
    """Return the rows of one SELECT over the warehouse; statements that set something up, such as ATTACH, may stand before it.

    Raises:
        ConfigError: there is no statement or a second SELECT, the SQL is wrong or tries to write.
        StoreError: there is no warehouse, or a parquet file behind a view is missing or truncated.
    """
    connection = connect(path)
    try:
        _check_statements(connection, sql)
        return fetch(connection, sql, parameters)
    except duckdb.Error as error:
        raise explain(error, sql) from error
    finally:
        connection.close()


def _check_statements(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
    except ValueError:
        # DuckDB's parser knows statements, such as CONNECT, that its Python package has no name for.
        raise ConfigError("the query holds a statement that gives no rows; give one SELECT, such as FROM leaderboard LIMIT 5") from None
    if not kinds:
        raise ConfigError("the query is empty; give one SELECT, such as FROM leaderboard LIMIT 5")
    if kinds[:-1].count(duckdb.StatementType.SELECT):
        raise ConfigError(f"{len(kinds)} statements, of which only the last one's rows would be shown; give one SELECT at a time")


def fetch(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters = None) -> pl.DataFrame:
    """Return the rows of one statement on an open connection; see `explain` for its errors."""
    # Only a relation hands over Arrow data without pyarrow.
    relation = connection.sql(sql, params=parameters)
    return pl.DataFrame() if relation is None else pl.DataFrame(relation)


def explain(error: Exception, sql: str = "") -> Exception:
    """Return the error to show for what DuckDB said of a query: the broken file, or what is wrong with the SQL; others as they are."""
    if not isinstance(error, duckdb.Error):
        return error
    text = str(error)
    file = re.search(r"""["']?([^"'\n]*\.parquet)""", text)
    if file is not None and file.group(1) not in sql and isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)):
        return StoreError(
            f"{file.group(1)}: a file behind a view is missing or not complete ({text.splitlines()[0]}); "
            "run the study again, which makes it anew, then publish (materialise `warehouse`)"
        )
    writing = re.search(r"can only (delete|update|insert)", text, re.IGNORECASE)
    if writing or "read-only" in text.lower():
        kind = writing or re.search(r'statement of type "(\w+)"', text)
        what = kind.group(1).upper() if kind else "this statement"
        return ConfigError(
            f"the warehouse is read-only, and {what} would change it. To keep rows of your own, write them to a file "
            "(asteer sql -o rows.parquet), or ATTACH 'mine.duckdb' AS mine and create tables there"
        )
    return ConfigError(f"the query failed: {text}")
