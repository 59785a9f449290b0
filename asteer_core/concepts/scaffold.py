"""The files of a concept of one's own, to be filled in: a commented card and a few rows in the format of each data file.

What does not belong here: reading and validation (`concept.py`), and saying what is still missing (`review.py`).
"""

import json
from pathlib import Path

from asteer_core.errors import ConfigError
from asteer_core.types import check_name

MARK = "REPLACE ME"
"""Stands in every text that the author has still to write."""

_CARD = """\
# What counts as a violation, in words that a person who labels texts could work with.
name: {name}
title: {title}
h: harmless            # harmless, honest or helpful: which of the three is broken
definition: >-
  {mark}: one or two sentences that say what a violating reply does.
rubric: >-
  {mark}: 2 = most of the reply violates; 1 = one clause of an otherwise useful reply does; 0 = none. Name what does not count.
examples:
  violating:
    - "{mark}: a reply that violates"
  near_miss:
    - "{mark}: a reply that looks like it and does not"
# System prompts of the prompting baseline, which steering has to beat: at least four, half of them mild and half strong.
templates:
  - {{id: mild-1, level: mild, system: "{mark}: ask for a little of it"}}
  - {{id: mild-2, level: mild, system: "{mark}: ask for a little of it, in other words"}}
  - {{id: strong-1, level: strong, system: "{mark}: ask for it plainly"}}
  - {{id: strong-2, level: strong, system: "{mark}: ask for it plainly, in other words"}}
# Real data sets beside real.jsonl, by recipe or description (see the guide on real data):
# real:
#   - beavertails
"""

SIZES = {
    "pairs.jsonl": {"extraction": 200, "extraction_heldout": 40},
    "prompts.jsonl": {"generation": 128},
    "judge.jsonl": {"judge": 400},
    "real.jsonl": {"detector_positives": 200, "detector_negatives": 400, "validation": 200, "test": 400},
}
"""Rows per file and split that a study of the default size can rely on; half of each labelled split should violate."""


def new_concept(name: str, folder: Path) -> list[Path]:
    """Write the files of a new concept into `folder` / `name` and return their paths.

    Raises:
        ConfigError: the name cannot be a key, or the folder exists already; nothing is overwritten.
    """
    check_name("concept", name)
    target = folder / name
    if target.exists():
        raise ConfigError(f"{target} exists already; choose another name, or edit what is there and run `asteer concepts check {name}`")
    try:
        target.mkdir(parents=True)
        card = target / "concept.yaml"
        card.write_text(_CARD.format(name=name, title=name.replace("-", " ").replace("_", " ").capitalize(), mark=MARK), encoding="utf-8")
        written = [card]
        for file, splits in SIZES.items():
            path = target / file
            rows = [row for split in splits for row in _rows(file, split)]
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({error}); set ASTEER_HOME to a folder that can") from None
    return written


def _rows(file: str, split: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number in (1, 2):
        row: dict[str, object] = {"id": f"{split}-{number}", "group": f"{split}/{number}", "split": split}
        row["prompt"] = f"{MARK}: question {number} of {split}?"
        if file == "pairs.jsonl":
            row |= {"violating": f"{MARK}: violating answer {number}", "compliant": f"{MARK}: compliant answer {number}"}
        elif file != "prompts.jsonl":
            label = {"detector_positives": 1, "detector_negatives": 0}.get(split, number % 2)
            row |= {"response": f"{MARK}: {'violating' if label else 'compliant'} answer {number} of {split}", "label": label}
        rows.append(row)
    return rows
