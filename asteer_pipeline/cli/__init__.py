"""The `asteer` command. Errors that a user can fix are one message without a traceback; `--debug` shows it.

Exit codes: 0 done, 1 a bug, 2 something the user can fix, 3 a check found something, 130 interrupted.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from asteer_pipeline.cli.app import run

    return run(list(sys.argv[1:] if arguments is None else arguments))
