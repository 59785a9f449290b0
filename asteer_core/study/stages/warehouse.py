"""The warehouse: one DuckDB file over the tables of every study of this home."""

from collections.abc import Iterator

from asteer_core.study.done import Done
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import publish

FILE = "warehouse.duckdb"


def warehouse(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`; `warehouse.duckdb` is replaced in one step, also under readers."""
    folder = ws.home / "studies"
    stores = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    published = publish(stores, ws.home / FILE)
    yield Done("", None, len(stores), metadata={"path": str(ws.home / FILE), "studies": ", ".join(stores), "detail": str(published or "")})
