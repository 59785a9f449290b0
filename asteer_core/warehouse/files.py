"""What is done with the files of a place: replaced in one step, read, listed and removed; the same in a folder and in an object store.

Belongs here: each of these once for both. Does not: what a place is (`places.py`), or which file holds what (`store.py`).
"""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from asteer_core.atomic import write_whole
from asteer_core.errors import StoreError
from asteer_core.panics import panics_are_errors
from asteer_core.types import fingerprint
from asteer_core.warehouse.places import filesystem, is_remote, key, reaching

FOOTER_BYTES = 2**16
"""What is fetched of a parquet object to read its footer; 20 times the largest footer of a study's tables."""


def replace_file(path: Path, write: Callable[[Path], object], durable: bool = True) -> None:
    """Let `write` fill a temporary file and make it `path` in one step: a rename in a folder, a put in an object store.

    Args:
        path: the file to replace, in a folder or an object store.
        write: called with a local path that does not exist yet.
        durable: flush a local file to the disk before its rename.

    Raises:
        StoreError: the place cannot be written or the disk is full; `path` is as it was.
    """
    if is_remote(path):
        with reaching(path), TemporaryDirectory(prefix="asteer-") as folder:
            temporary = Path(folder) / path.name
            write(temporary)
            filesystem(path).put_file(str(temporary), key(path))
        return
    try:
        write_whole(path, write, durable=durable)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"{path}: cannot be written ({error}); free some disk space or set ASTEER_HOME to a writable folder, then run again"
        ) from error


def write_folder(folder: Path, make: Callable[[Path], object], last: str) -> None:
    """Let `make` fill a folder of this machine; where `folder` is remote, put its files there, `last` after the others.

    Args:
        folder: where the files are to be.
        make: called with a local folder, which exists only where `folder` is local and was there.
        last: the file whose presence says that the folder is complete.

    Raises:
        StoreError: the object store cannot be written.
    """
    if not is_remote(folder):
        make(folder)
        return
    with TemporaryDirectory(prefix="asteer-") as local:
        made = Path(local) / folder.name
        make(made)
        files = sorted((path for path in made.rglob("*") if path.is_file()), key=lambda path: path.name == last)
        for path in files:
            replace_file(folder / path.relative_to(made).as_posix(), lambda temporary, path=path: shutil.copyfile(path, temporary))


@panics_are_errors()
def read_frame(path: Path) -> pl.DataFrame:
    """Return a parquet file; concept and key are columns of it, not parts of its path."""
    if not is_remote(path):
        return pl.read_parquet(path, hive_partitioning=False, glob=False)
    with reaching(path, FileNotFoundError):
        data = filesystem(path).cat_file(key(path))
    return pl.read_parquet(data, hive_partitioning=False)


@panics_are_errors()
def read_metadata(path: Path) -> dict[str, str]:
    """Return the footer's metadata of a parquet file; of a remote one only the end is fetched."""
    if not is_remote(path):
        return pl.read_parquet_metadata(path)
    with reaching(path, FileNotFoundError):
        end = filesystem(path).cat_file(key(path), start=-FOOTER_BYTES)
    try:
        return pl.read_parquet_metadata(BytesIO(end))
    except pl.exceptions.PolarsError:
        # A very wide table, or a broken file: the whole of it says which.
        with reaching(path, FileNotFoundError):
            return pl.read_parquet_metadata(BytesIO(filesystem(path).cat_file(key(path))))


def local_copy(path: Path, cache: Path) -> Path:
    """Return a file of this machine with the content of `path`: itself, or a copy under `cache` that is fetched when it has changed."""
    if not is_remote(path):
        return path
    mark = stamp(path)
    if mark is None:
        return cache / path.name
    copy = cache / f"{fingerprint([str(path), mark])}-{path.name}"
    if not copy.is_file():
        with reaching(path, FileNotFoundError):
            replace_file(copy, lambda temporary: filesystem(path).get_file(key(path), str(temporary)), durable=False)
    return copy


def stamp(path: Path) -> str | None:
    """Return what changes with the content of a file; None where it is missing."""
    if not is_remote(path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return f"{found.st_size}-{found.st_mtime_ns}"
    with reaching(path, FileNotFoundError):
        try:
            return _mark(filesystem(path).info(key(path)))
        except FileNotFoundError:
            return None


def is_present(path: Path) -> bool:
    """Return whether a file is there.

    Raises:
        StoreError: the object store cannot say.
    """
    return path.is_file() if not is_remote(path) else stamp(path) is not None


def stamps(folder: Path) -> dict[str, str]:
    """Return the parquet files under `folder`, sorted, and what changes with the content of each; one listing where it is remote."""
    if not is_remote(folder):
        return {file.relative_to(folder).as_posix(): str(stamp(file)) for file in sorted(folder.rglob("*.parquet"))}
    with reaching(folder, FileNotFoundError):
        found = filesystem(folder).find(key(folder), detail=True)
    start = len(key(folder)) + 1
    return {name[start:]: _mark(facts) for name, facts in sorted(found.items()) if name.endswith(".parquet")}


def has_parquet(folder: Path, pattern: str = "**/*.parquet") -> bool:
    """Return whether there is a file under `folder` whose relative path has the shape of `pattern`; `**` stands for any folders."""
    if not is_remote(folder):
        return any(folder.glob(pattern))
    depth = None if "**" in pattern else pattern.count("/")
    return any(depth is None or (name.count("/") == depth and PurePosixPath(name).match(pattern)) for name in stamps(folder))


def folders(where: Path) -> list[Path]:
    """Return the folders directly in a place, sorted; none where it does not exist."""
    if not is_remote(where):
        return [found for found in sorted(where.iterdir()) if found.is_dir()] if where.is_dir() else []
    with reaching(where, FileNotFoundError):
        try:
            found = filesystem(where).ls(key(where), detail=True)
        except FileNotFoundError:
            return []
    return [
        where / name for name in sorted(facts["name"].rstrip("/").rpartition("/")[2] for facts in found if facts["type"] == "directory")
    ]


def remove_tree(folder: Path) -> None:
    """Remove a folder and everything in it; one that is not there is removed already."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with reaching(folder, FileNotFoundError):
        try:
            filesystem(folder).rm(key(folder), recursive=True)
        except FileNotFoundError:
            return


def _mark(facts: dict[str, Any]) -> str:
    tag = next((facts[name] for name in ("ETag", "etag", "md5Hash", "generation") if facts.get(name)), None)
    changed = facts.get("LastModified") or facts.get("last_modified") or facts.get("updated") or facts.get("created")
    return f"{facts.get('size')}-{tag or changed}"
