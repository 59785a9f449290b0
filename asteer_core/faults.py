"""Which faults pass by themselves: worth another try after a while. Everything else needs somebody to change something."""

import errno
from collections.abc import Iterator

_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
"""Kinds of OSError that say what is asked for is wrong."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""A disk that is full, over its quota or read-only stays so until somebody acts."""

_NETWORK = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
"""Packages whose errors are those of a connection; the hub's client raises theirs."""
_STATUSES = (408, 425, 429, 500, 502, 503, 504)


def is_transient(error: BaseException) -> bool:
    """Return whether an error, or what it was raised for, is a fault of disk or network that may pass by itself.

    An error of the `AsteerError` family is transient exactly when such a fault lies behind it.
    """
    return any(getattr(found, "transient", False) or _passes(found) for found in _chain(error))


def is_exhaustion(error: BaseException) -> bool:
    """Return whether memory ran out behind an error, that of the process or of a device."""
    return any(isinstance(found, MemoryError) or type(found).__name__ == "OutOfMemoryError" for found in _chain(error))


def _passes(error: BaseException) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return status in _STATUSES
    if isinstance(error, OSError):
        return not isinstance(error, _LASTING) and error.errno not in _FULL
    return type(error).__module__.split(".")[0] in _NETWORK and any(
        word in type(error).__name__ for word in ("Timeout", "Connect", "Network")
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
