"""Which Dagster features marked "beta" the pipeline builds on: `BackfillPolicy` and `MultiPartitionMapping`.

Their warnings are silenced here and nowhere else, and tests hold the behaviour that is relied on.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def accepted_beta() -> Iterator[None]:
    """Silence Dagster's beta warnings while a definition is built; they would greet every user of the command line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
