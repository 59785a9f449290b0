"""A code location over the fake core, for a web server that a test starts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fake_core

fake_core.install(setattr)

from asteer_pipeline.definitions import defs  # noqa: E402, F401
