"""The one resource of the pipeline: the study's workspace, opened when first needed and shared by all runs of a process.

What does not belong here: what a workspace does (`asteer_core.study`), and any model, judge or store of its own.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from logging import Logger
from pathlib import Path
from threading import Lock

import dagster as dg

from asteer_core import study as core

Progress = Callable[[str, int, int, str], None]
"""Called as (stage, done, total, note)."""

LOG_EVERY_SECONDS = 10.0
"""A progress line in a run's log costs a database write, so there are few of them."""

_open: dict[tuple[str, str], core.Workspace] = {}
_lock = Lock()


class WorkspaceResource(dg.ConfigurableResource):
    """Which study, and where its results live. Models are loaded on first use and stay loaded for the next asset.

    Attributes:
        study: name of a preset, or path of a study file; empty = the environment variable ASTEER_STUDY, else `quick`.
        home: directory of the results; empty = the environment variable ASTEER_HOME, else `./.asteer`.
    """

    study: str = ""
    home: str = ""

    def open(self, log: Logger | None = None) -> core.Workspace:
        """Return the workspace, the same object for every asset of this process.

        Args:
            log: progress goes there, sparsely, unless the process already listens to it (the command line does).
        """
        workspace = shared_workspace(self.study, self.home)
        if workspace.progress is None and log is not None:
            workspace.progress = sparse_log(log)
        return workspace


def shared_workspace(study: str = "", home: str = "") -> core.Workspace:
    """Return this process's workspace for a study and home; it is created on the first call."""
    with _lock:
        key = (study, home)
        if key not in _open:
            root = Path(home).expanduser().resolve() if home else None
            _open[key] = core.Workspace(core.load_study(study or None, root), home=root)
        return _open[key]


def close_workspaces() -> None:
    """Release the models and files of every workspace of this process."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def sparse_log(log: Logger) -> Progress:
    """Return a progress listener that writes to `log` at most every ten seconds, and when a stage is complete.

    A line says what is done and in all, the note of the stage (such as tokens per second), and the time that is left at this pace.
    """
    last = time.monotonic()
    begun: dict[str, tuple[float, int]] = {}

    def listen(stage: str, done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        started, first = begun.setdefault(stage, (now, done))
        if done >= total or now - last > LOG_EVERY_SECONDS:
            last = now
            left = (now - started) / (done - first) * (total - done) if first < done < total else None
            eta = "" if left is None else f", {timedelta(seconds=round(left))} left"
            log.info(f"{stage}: {done:,} of {total:,} {note}".rstrip() + eta)

    return listen
