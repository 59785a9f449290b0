"""The warehouse: one DuckDB file over the tables of every study of this home."""

from collections.abc import Iterator

from asteer_core.study.catalogue import write_catalogue
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.workspace import Workspace
from asteer_core.warehouse import publish, stores_of

FILE = "warehouse.duckdb"


@recorded
def warehouse(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`; `warehouse.duckdb` is replaced in one step, also under readers."""
    write_catalogue(ws)
    stores = stores_of(ws.home)
    published = publish(stores, ws.home / FILE)
    yield Done("", None, len(stores), metadata={"path": str(ws.home / FILE), "studies": ", ".join(stores), "detail": str(published or "")})
