"""Where the studies' files lie: a folder, or an object store named by URL; both have the shape of `pathlib.Path`.

Belongs here: how a place is named, reached, and what is said where it cannot be. Does not: what is done with its files (`files.py`), which
file holds what (`store.py`), and who may write it (`leases.py`).

`fsspec` reaches the object store, so its usual settings hold: the provider's credentials and `AWS_ENDPOINT_URL`, or `FSSPEC_S3`.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from asteer_core.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STORE_VARIABLE = "ASTEER_STORE"
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
"""Scheme of a URL -> the extra of this package that reaches it."""
_CLIENTS = ("aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google")
"""Packages whose errors say that an object store cannot be reached or refuses."""


def store_root(home: Path) -> Path:
    """Return the place that holds `studies/`: `ASTEER_STORE` where it is set, else the home.

    Raises:
        ConfigError: the URL's scheme is unknown, or the package that reaches it is not installed.
    """
    chosen = os.environ.get(STORE_VARIABLE)
    return place(chosen) if chosen else home


def studies(home: Path) -> Path:
    """Return the place with one folder per study."""
    return store_root(home) / "studies"


def place(where: Path | str) -> Path:
    """Return a folder as an absolute path, or a URL as an object that has the methods of one.

    Raises:
        ConfigError: see `store_root`.
    """
    if not isinstance(where, str):
        return where
    if "://" not in where:
        return Path(where).expanduser().resolve()
    scheme = where.partition("://")[0]
    if scheme == "file":
        return Path(where.removeprefix("file://")).resolve()
    from fsspec import get_filesystem_class
    from upath import UPath

    try:
        get_filesystem_class(scheme)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        how = f"pip install 'asteer[{extra}]'" if extra else "pip install it"
        raise ConfigError(f"{where}: {scheme}:// needs a package that is not installed ({error}); {how}") from None
    except ValueError as error:
        known = ", ".join(f"{name}://" for name in ("s3", "gs", "az"))
        raise ConfigError(f"{where}: {error}; {STORE_VARIABLE} takes a folder or a URL with {known}") from None
    # A remembered listing would hide what other machines write.
    return cast(Path, UPath(where.rstrip("/"), use_listings_cache=False))


def is_remote(where: object) -> bool:
    """Return whether a place is an object store and not a folder."""
    return not isinstance(where, (Path, str))


def filesystem(where: Path) -> Any:
    """Return the fsspec file system of a remote place; `Any`, since its methods differ in type between versions and clients."""
    return cast(Any, where).fs


def key(where: Path) -> str:
    """Return a remote place as its file system names it: bucket and key, without the scheme."""
    return str(cast(Any, where).path).rstrip("/")


def reach_stores(connection: "DuckDBPyConnection", stores: Iterable[str]) -> None:
    """Let a DuckDB connection read the files of those `stores` that are URLs.

    Raises:
        ConfigError: the package that reaches one of them is not installed.
    """
    for url in sorted({store for store in stores if "://" in store}):
        files = filesystem(place(url))
        schemes = (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
        if not any(
            connection.filesystem_is_registered(scheme) if hasattr(connection, "filesystem_is_registered") else False for scheme in schemes
        ):
            connection.register_filesystem(files)


@contextmanager
def reaching(path: Path, *expected: type[OSError]) -> Iterator[None]:
    """While inside, turn what a client says of its object store into an error that names the file and what to look at.

    Args:
        path: what is read or written.
        expected: kinds of errors that the caller handles, such as `FileNotFoundError`; they stay as they are.

    Raises:
        StoreError: the store cannot be reached, or refuses.
    """
    try:
        yield
    except expected:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _CLIENTS:
            raise
        raise StoreError(
            f"{path}: the object store says: {error or type(error).__name__}; look at {STORE_VARIABLE}, the credentials of this machine "
            "and whether the bucket exists, then run again"
        ) from error
