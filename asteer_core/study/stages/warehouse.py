"""The warehouse: one DuckDB file over the tables of every study of this home."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asteer_core.study.catalogue import write_catalogue
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.stages._vector_cards import vector_cosines
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.versions import asteer_version
from asteer_core.warehouse import publish, stores_of, tables
from asteer_core.warehouse.files import has_parquet, replace_file, stamps
from asteer_core.warehouse.places import is_remote, store_root
from asteer_core.warehouse.publish import SCRIPTS, script

FILE = "warehouse.duckdb"
KEY_FILE = "warehouse.json"


@recorded
def warehouse(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`; `warehouse.duckdb` is replaced in one step, also under readers, unless nothing in it would change."""
    write_catalogue(ws)
    _keep_cosines(ws)
    stores, path = stores_of(ws.home), ws.home / FILE
    key = warehouse_key(stores)
    reused = published_key(ws) == key
    rows = _known(ws.home / KEY_FILE).get("rows", {}) if reused else publish(stores, path)
    if not reused:
        if is_remote(store_root(ws.home)):
            # For readers elsewhere; its views name the store by URL.
            replace_file(store_root(ws.home) / FILE, lambda temporary: shutil.copyfile(path, temporary))
        text = json.dumps({"key": key, "rows": rows})
        replace_file(ws.home / KEY_FILE, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    yield Done("", None, len(stores), reused, {"path": str(path), "studies": ", ".join(stores), "detail": str(rows or "")})


def published_key(ws: Workspace) -> str | None:
    """Return the hash of what the warehouse holds; None where there is none."""
    return _known(ws.home / KEY_FILE).get("key") if (ws.home / FILE).is_file() else None


def is_published(ws: Workspace) -> bool:
    """Return whether the warehouse shows what is stored now."""
    return published_key(ws) == warehouse_key(stores_of(ws.home))


def _keep_cosines(ws: Workspace) -> None:
    cosines = vector_cosines(ws)
    key = fingerprint(["vector_cosines", cosines.rows()])
    # Written anew, the same table would look like another one to `warehouse_key`.
    if ws.store.content_key("vector_cosines") != key:
        ws.store.write("vector_cosines", cosines, key)


def warehouse_key(stores: Mapping[str, Path]) -> str:
    """Return the hash of everything that a published warehouse holds or computes: copied files, SQL, declarations, and where it looks.

    Of the large tables, which are live views, only whether there are any files counts.
    """
    held: list[Any] = [asteer_version(), str(tables()), [script(name) for name in SCRIPTS]]
    for study, root in stores.items():
        for name, table in tables().items():
            if table.role == "large":
                held.append([study, str(root), name, has_parquet(root / table.name)])
            elif table.role in ("metrics", "stored"):
                held.append([study, str(root), name, stamps(root / table.name)])
    return fingerprint(held)


def _known(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
