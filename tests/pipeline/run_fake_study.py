"""A study over the fake core in a process of its own, to be interrupted by a test. Arguments: study file, home.

Prints `ready` when the first partition of the steered corpora is made.
"""

import sys
from pathlib import Path

import fake_core

from asteer_pipeline.runner import Interrupted, run_study

fake_core.install(setattr)


def progress(stage: str, done: int, total: int, note: str) -> None:
    if stage == "steered_corpora" and done == 3:
        print("ready", flush=True)


try:
    run_study(sys.argv[1], Path(sys.argv[2]), progress)
except Interrupted:
    sys.exit(130)
