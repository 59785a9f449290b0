"""What tests of studies share: the endpoint of a judge on loopback."""

from tests.core.judges.conftest import endpoint

__all__ = ["endpoint"]
