"""Polars ends the reading of some damaged files with a panic of its Rust code, which is no `Exception` and passes every handler.

Belongs here: making it an error like the others. Does not: what is said about the file (whoever reads it knows).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from polars.exceptions import ComputeError, PanicException


@contextmanager
def panics_are_errors() -> Iterator[None]:
    """Raise a `ComputeError`, which is a `PolarsError`, in place of a panic; also a decorator."""
    try:
        yield
    except PanicException as panic:
        # Its text names places in the source of Polars, and may quote data.
        raise ComputeError("the file is damaged") from panic
