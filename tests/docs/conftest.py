"""A home with the finished quick study, which pages are read against."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory) -> Path:
    """A home with the finished quick study: that of ASTEER_TEST_HOME, which is brought up to date, or one made here."""
    home = Path(os.environ.get("ASTEER_TEST_HOME") or tmp_path_factory.mktemp("home")).resolve()
    program = "import sys; from asteer_pipeline.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASTEER_HOME": str(home)}
    outside = tmp_path_factory.mktemp("outside")
    command = [sys.executable, "-c", program, "study", "run", "quick"]
    done = subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return home
