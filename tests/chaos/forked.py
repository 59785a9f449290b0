"""Runs `asteer` commands in forked children of one process that has imported everything, since imports cost more than a tiny study.

One order per line of input, as JSON: a list of runs, started together, each `{"argv": [...], "faults": {name: arguments}, "log": path}`.
One line of output per order: how each run ended, `{"code": ..., "signal": ..., "seconds": ...}`. Nothing is computed before a fork.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
WARM = ("torch", "transformers", "sentence_transformers", "sklearn.linear_model", "sklearn.feature_extraction.text", "altair", "vl_convert",
        "asteer_core.model", "asteer_pipeline.cli.app", "asteer_pipeline.runner", "asteer_core.report", "faults")  # fmt: skip


def start(run: dict) -> int:
    """Return the process id of a child that runs one command."""
    child = os.fork()
    if child:
        return child
    descriptor = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # Ctrl-C of the tests is for the parent, which ends its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        faults, app = importlib.import_module("faults"), importlib.import_module("asteer_pipeline.cli.app")
        for name, arguments in run.get("faults", {}).items():
            faults.FAULTS[name](*arguments)
        code = app.run(run["argv"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Carry out orders until the input ends."""
    for name in WARM:
        importlib.import_module(name)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        began = time.monotonic()
        children = [start(run) for run in json.loads(line)]
        ended = {}
        while len(ended) < len(children):
            child, status = os.wait()
            killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            ended[child] = {"code": os.waitstatus_to_exitcode(status), "signal": killed, "seconds": time.monotonic() - began}
        print(json.dumps([ended[child] for child in children]), flush=True)


if __name__ == "__main__":
    serve()
