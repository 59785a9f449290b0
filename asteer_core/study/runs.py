"""The logbook of a study: which run made which partition, when, and how long each stage took.

It stands beside the results and not in them: a result is the same whoever made it and when, and its content key says so.
"""

import functools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec

import polars as pl

from asteer_core.study.done import Done
from asteer_core.study.workspace import Workspace
from asteer_core.versions import asteer_version
from asteer_core.warehouse import table

P = ParamSpec("P")
Door = Callable[Concatenate[Workspace, P], Iterable[Done]]


def recorded(door: Callable[Concatenate[Workspace, P], Iterator[Done]]) -> Callable[Concatenate[Workspace, P], Iterator[Done]]:
    """Return a stage's door that also writes `runs` and `run_partitions`, whether the stage ends well, fails or is interrupted."""

    @functools.wraps(door)
    def run(ws: Workspace, *args: P.args, **kwargs: P.kwargs) -> Iterator[Done]:
        log = _Log(ws, door.__name__)
        try:
            for done in door(ws, *args, **kwargs):
                log.add(done)
                yield done
        except BaseException as error:
            log.error = type(error).__name__
            raise
        finally:
            log.write()

    return run


class _Log:
    """What one stage does in one run."""

    def __init__(self, ws: Workspace, stage: str) -> None:
        self._ws, self._stage = ws, stage
        self._started, self._clock = _now(), time.monotonic()
        self._made: list[dict[str, Any]] = []
        self._partitions = self._reused = self._rows = 0
        self.error: str | None = None

    def add(self, done: Done) -> None:
        self._partitions += 1
        self._reused += done.reused
        self._rows += done.rows
        if not done.reused:
            self._made.append({"concept": done.concept, "partition": done.key, "finished_at": _now(), "rows": done.rows})

    def write(self) -> None:
        who = {"study": self._ws.study.name, "run_id": self._ws.run_id, "stage": self._stage}
        row = who | {
            "started_at": self._started,
            "seconds": time.monotonic() - self._clock,
            "partitions": self._partitions,
            "reused": self._reused,
            "rows": self._rows,
            "peak_memory": _peak_memory(),
            "complete": self.error is None,
            "error": self.error,
            "asteer_version": asteer_version(),
        }
        self._keep("runs", [row])
        if self._made:
            self._keep("run_partitions", [who | made for made in self._made])

    def _keep(self, name: str, rows: list[dict[str, Any]]) -> None:
        # A stage may run twice in one run of the process, such as once per concept.
        key = f"{self._ws.run_id}-{self._stage}-{self._started:%Y%m%dT%H%M%S%f}"
        self._ws.store.write(name, pl.DataFrame(rows, schema=table(name).polars_schema), key, key=key)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _peak_memory() -> float | None:
    """Return the most memory this process has held, in bytes; None on a system that does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
