"""The whole warehouse as files that any tool reads: one parquet file per table and view, and `schema.sql` that joins them again.

Belongs here: writing them. Does not: another format of rows (see `formats.py`), or what the tables mean.
"""

import shutil
import tempfile
from pathlib import Path

import duckdb

from asteer_core.errors import ConfigError, StoreError
from asteer_core.warehouse.publish import SCRIPTS, identifier, quote, script
from asteer_core.warehouse.query import connect, explain
from asteer_core.warehouse.schemas import SCHEMA_VERSION, SQL_TYPES, Table, tables

SCHEMA = "schema.sql"


def export(folder: Path, warehouse: Path | None = None) -> dict[str, int]:
    """Write every table of the warehouse to `folder` and return the rows of each; views are written too, as what they show now.

    `schema.sql` creates the tables over the parquet files (relative to the folder it is read in), the views in SQL, and the
    comments: `cd FOLDER && duckdb -init schema.sql`.

    Raises:
        ConfigError: the folder is not empty.
        StoreError: there is no warehouse, a file behind a view is broken, or the folder cannot be written; nothing is left behind.
    """
    target = folder.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target}: not an empty folder; name a new one, so that no file of an earlier export stays among the new ones")
    connection = connect(warehouse)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as unfinished:
            rows = _write(connection, Path(unfinished))
            if target.exists():
                target.rmdir()
            shutil.copytree(unfinished, target)
    except duckdb.Error as error:
        raise explain(error) from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error}); free some disk space or name another folder") from error
    finally:
        connection.close()
    return rows


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    (folder / "tables").mkdir()
    (folder / "views").mkdir()
    rows = {}
    for name, table in tables().items():
        relation = ".".join(identifier(part) for part in name.split("."))
        file = folder / _place(name, table)
        connection.execute(f"COPY (FROM {relation}) TO {quote(str(file))} (FORMAT parquet)")
        rows[name] = int(connection.execute(f"SELECT count(*) FROM read_parquet({quote(str(file))})").fetchall()[0][0])
    (folder / SCHEMA).write_text(schema_sql(), encoding="utf-8")
    return rows


def _place(name: str, table: Table) -> str:
    return f"{'tables' if _is_stored(table) else 'views'}/{name}.parquet"


def _is_stored(table: Table) -> bool:
    # These two are made by publication, not in SQL over other tables.
    return table.role != "view" or table.name in ("partitions", "audit_gates")


def schema_sql() -> str:
    """Return the SQL that creates tables over exported parquet files, the views and macros over those, and every comment."""
    parts = [
        f"-- Asteer warehouse, schema version {SCHEMA_VERSION}. Read it in the folder of the export: duckdb -init schema.sql",
        "CREATE SCHEMA stored;",
    ]
    for name, table in tables().items():
        if _is_stored(table):
            columns = ", ".join(f"{identifier(column.name)} {SQL_TYPES[column.kind]}" for column in table.columns)
            parts.append(f"-- {name}: {columns}")
            parts.append(f"CREATE VIEW {name} AS FROM read_parquet({quote(_place(name, table))}, hive_partitioning = false);")
    parts += [script(name) for name in SCRIPTS]
    for name, table in tables().items():
        parts.append(f"COMMENT ON VIEW {name} IS {quote(table.doc)};")
        parts += [f"COMMENT ON COLUMN {name}.{identifier(column.name)} IS {quote(column.comment)};" for column in table.columns]
    return "\n\n".join(parts) + "\n"
