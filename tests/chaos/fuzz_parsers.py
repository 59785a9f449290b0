"""A coverage-guided target for the parsers: `pip install atheris`, then `python tests/chaos/fuzz_parsers.py -max_total_time=300`.

The first byte chooses the parser. Whatever is no AsteerError (or, for a judge's reply, UnreadableReply) is a crash.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["asteer_core"]):
    from asteer_core.concepts.rows import JUDGE, read_rows
    from asteer_core.documents import parse_yaml
    from asteer_core.errors import AsteerError, ConfigError
    from asteer_core.judges._reply import UnreadableReply, read_reply
    from asteer_core.study import parse_study
    from asteer_core.vector_files import read_directions

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))


def _file(content: bytes) -> Path:
    path = FOLDER / "input"
    path.write_bytes(content)
    return path


PARSERS = (
    lambda content: parse_study(parse_yaml(content.decode(errors="replace"), "input", ConfigError), "input", FOLDER),
    lambda content: read_rows(_file(content), JUDGE),
    lambda content: read_reply(content.decode(errors="replace"), "abc"),
    lambda content: read_directions(_file(b"GGUF\x03\0\0\0" + content)),
    lambda content: read_directions(_file(content)),
)


def target(content: bytes) -> None:
    """Give the input to one parser."""
    if content:
        try:
            PARSERS[content[0] % len(PARSERS)](content[1:])
        except (AsteerError, UnreadableReply):
            return


if __name__ == "__main__":
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
