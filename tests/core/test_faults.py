"""Which faults are tried again: those of disk and network that pass, wherever they stand in the chain, and nothing that is wrong."""

import errno

import httpx2
import pytest

from asteer_core.errors import AsteerError, DataError, ModelError
from asteer_core.faults import is_transient
from asteer_core.study.done import Failures, PartialFailure


def raised(error, cause=None, hidden=None):
    """Return `error` as it is when raised from `cause`, or while `hidden` was handled, with `from None`."""
    error.__cause__, error.__context__ = cause, cause or hidden
    error.__suppress_context__ = True
    return error


def response(status):
    request = httpx2.Request("GET", "http://hub")
    return httpx2.HTTPStatusError("no", request=request, response=httpx2.Response(status, request=request))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "input/output error"), True),
        (OSError(errno.ENOSPC, "no space left on device"), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (httpx2.ConnectTimeout("slow"), True),
        (response(503), True),
        (response(404), False),
        (FileNotFoundError("x"), False),
        (PermissionError("x"), False),
        (ValueError("x"), False),
        (DataError("row 3: label 7"), False),
        (raised(ModelError("hub"), cause=httpx2.ConnectError("refused")), True),
        (raised(ModelError("disk"), hidden=OSError(errno.EIO, "x")), True),
        (raised(ModelError("hub"), cause=response(401)), False),
        (raised(DataError("no file"), hidden=FileNotFoundError("x")), False),
    ],
)
def test_a_fault_is_transient_exactly_when_it_may_pass(error, expected):
    assert is_transient(error) is expected


@pytest.mark.parametrize(("behind", "expected"), [(TimeoutError(), True), (ValueError(), False)])
def test_a_partial_failure_is_transient_when_one_of_its_failures_is(behind, expected):
    failures = Failures("s")
    failures.add("c", "k", DataError("wrong"))
    failures.add("c", "l", raised(AsteerError("x"), cause=behind))
    with pytest.raises(PartialFailure) as found:
        failures.raise_if_any()
    assert is_transient(found.value) is expected
