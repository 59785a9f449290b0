"""Write (or check) the JSONL files of the shipped concepts: `python -m asteer_core.reference.build_concepts [--check]`.

The files follow from the grammar and a seed alone; `content.json` beside them holds their hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from asteer_core.errors import AsteerError, DataError
from asteer_core.paths import data_root
from asteer_core.reference.concepts_data import SEED, concept_rows
from asteer_core.reference.grammar import CONCEPTS, Grammar, load_grammar

FILES = ("pairs", "prompts", "judge", "real")


def render(grammar: Grammar, concept: str, seed: int = SEED) -> dict[str, bytes]:
    """Return file name -> bytes of one concept: four JSONL files and `content.json` with their hashes."""
    rows = concept_rows(grammar, concept, seed)
    files = {f"{name}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[name]).encode() for name in FILES}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    card = {"seed": seed, "rows": {name: len(rows[name]) for name in FILES}, "sha256": hashes}
    files["content.json"] = (json.dumps(card, indent=2) + "\n").encode()
    return files


def check(folder: Path, files: dict[str, bytes]) -> None:
    """Compare the files in `folder` with what the grammar yields.

    Raises:
        DataError: a file is missing or differs.
    """
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            state = "differs from what the grammar yields" if path.is_file() else "is missing"
            raise DataError(f"{path} {state}; run `python -m asteer_core.reference.build_concepts` and commit the result")


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status: 0 written or equal, 1 with a message otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--out", type=Path, default=data_root() / "concepts", help="folder that holds one folder per concept")
    options = parser.parse_args(arguments)
    try:
        grammar = load_grammar()
        for concept in CONCEPTS:
            folder, files = options.out / concept, render(grammar, concept)
            if options.check:
                check(folder, files)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (folder / name).write_bytes(content)
            print(concept, json.loads(files["content.json"])["rows"])
    except AsteerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
