"""The store of parquet files, and the DuckDB warehouse over it."""

from asteer_core.warehouse.publish import publish
from asteer_core.warehouse.query import connect, query, warehouse_path
from asteer_core.warehouse.schemas import SCHEMA_VERSION, Table, table, tables
from asteer_core.warehouse.store import Store, replace_file

__all__ = ["SCHEMA_VERSION", "Store", "Table", "connect", "publish", "query", "replace_file", "table", "tables", "warehouse_path"]
