"""A running `asteer ui` for tests: web server and daemon in processes of their own, asked through GraphQL.

What does not belong here: what is asked, and any study.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from asteer_pipeline.cli.ui import ui_command

Found = TypeVar("Found")
OTHER_DEFINITIONS = "load_from: [{python_file: {relative_path: '%s', location_name: asteer}}]"


class Served:
    """An `asteer ui` that runs until its context ends; `definitions` is a file that takes the place of the pipeline's own."""

    def __init__(self, study: Path, home: Path, definitions: Path | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self._log = f"http://127.0.0.1:{port}", home / "ui.log"
        command, environment = ui_command(str(study), home, port)
        if definitions is not None:
            Path(command[command.index("-w") + 1]).write_text(OTHER_DEFINITIONS % definitions)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)

    def ask(self, text: str) -> Any:
        """Return what GraphQL answers to `text`; None while the web server is not there yet."""
        request = urllib.request.Request(f"{self.url}/graphql", json.dumps({"query": text}).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert self._process.poll() is None, self.log()
            return None

    def until(self, ready: Callable[[], Found], seconds: float) -> Found:
        """Return what `ready` returns once it is true; fail with the log of the servers after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(1)
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return the end of what web server, daemon and runs wrote."""
        return self._log.read_text()[-8000:]

    def close(self) -> None:
        """End every process, as Ctrl-C does; by force after a minute."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def asteer_ui(study: Path, home: Path, definitions: Path | None = None) -> Iterator[Served]:
    """Yield a running `asteer ui` over a study file and a home."""
    served = Served(study, home, definitions)
    try:
        yield served
    finally:
        served.close()
