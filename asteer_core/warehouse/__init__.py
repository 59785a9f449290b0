"""The store of parquet files, and the DuckDB warehouse over it."""

from asteer_core.warehouse.dictionary import dictionary
from asteer_core.warehouse.export import export
from asteer_core.warehouse.files import replace_file
from asteer_core.warehouse.formats import to_csv, to_json_lines, write_rows
from asteer_core.warehouse.hints import why_no_rows
from asteer_core.warehouse.publish import publish
from asteer_core.warehouse.query import connect, query, warehouse_path
from asteer_core.warehouse.schemas import SCHEMA_VERSION, Table, table, tables
from asteer_core.warehouse.store import Store
from asteer_core.warehouse.upgrade import Upgrade, stores_of, upgrade

__all__ = [
    "SCHEMA_VERSION", "Store", "Table", "Upgrade", "connect", "dictionary", "export", "publish", "query", "replace_file", "stores_of",
    "table", "tables", "to_csv", "to_json_lines", "upgrade", "warehouse_path", "why_no_rows", "write_rows",
]  # fmt: skip
