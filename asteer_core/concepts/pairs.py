"""Contrastive pairs: `pairs.jsonl` with a violating and a compliant reply per row, or with A/B questions as the CAA data sets have them.

Source of the A/B form: Rimsky et al. 2023, https://arxiv.org/abs/2312.06681.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.concepts.rows import PAIRS, parse_row, read_objects, refuse_repeats
from asteer_core.errors import DataError

QUESTION, MATCHING, NOT_MATCHING = "question", "answer_matching_behavior", "answer_not_matching_behavior"
HELDOUT_SHARE = 5
"""One group of so many is held out where the file does not say which."""
MOST_OF_ONE_LETTER = 0.8
FEWEST_FOR_LETTERS = 10
_LETTER = re.compile(r"\s*\(?([A-Z])\)?\s*")


def read_pairs(path: Path) -> pl.DataFrame:
    """Return the pairs of a file as a frame with the columns of `PAIRS`; both forms may stand in one file.

    A file of A/B questions is JSON lines or one JSON list, and needs neither id, group nor split: rows with the same question are one
    group, and a fifth of the groups is held out.

    Raises:
        DataError: the file is missing, empty, or a row is broken (named by line); or nearly all violating answers are the same letter.
    """
    found = list(read_objects(path, PAIRS))
    choices = [row for _, row in found if QUESTION in row]
    _refuse_one_letter(path, choices)
    splits = split_groups(_group(row) for row in choices)
    rows = []
    for where, row in found:
        rows.append(parse_row(where, _as_pair(where, row, splits) if QUESTION in row else row, PAIRS))
    refuse_repeats(path, rows)
    return pl.DataFrame(rows, schema=PAIRS.columns)


def split_groups(groups: Iterable[str]) -> dict[str, str]:
    """Return group -> split: a fifth of the groups, at least one of two, is held out; the same ones on every machine."""
    ordered = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest())
    held = -(-len(ordered) // HELDOUT_SHARE) if len(ordered) > 1 else 0
    return {group: "extraction_heldout" if place < held else "extraction" for place, group in enumerate(ordered)}


def _as_pair(where: str, row: dict[str, Any], splits: dict[str, str]) -> dict[str, Any]:
    for name in (QUESTION, MATCHING, NOT_MATCHING):
        if not isinstance(row.get(name), str):
            raise DataError(
                f"{where}: an A/B row needs text under {QUESTION}, {MATCHING} and {NOT_MATCHING}; {name} is missing or not text"
            )
    matching, other = row[MATCHING].strip(), row[NOT_MATCHING].strip()
    if matching == other:
        raise DataError(f"{where}: both answers are {matching!r}; the answers of a pair must differ")
    group = _group(row)
    digest = hashlib.sha256("\x1f".join((row[QUESTION], matching, other)).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    defaults = {"id": f"ab-{digest}", "group": group, "split": splits[group]}
    return {**defaults, **row, "prompt": row[QUESTION].strip(), "violating": matching, "compliant": other}


def _group(row: dict[str, Any]) -> str:
    given = row.get("group")
    if isinstance(given, str) and given:
        return given
    question = str(row.get(QUESTION))
    return f"ab-{hashlib.sha256(question.strip().encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _refuse_one_letter(path: Path, rows: list[dict[str, Any]]) -> None:
    letters = Counter(match[1] for row in rows if (match := _LETTER.fullmatch(str(row.get(MATCHING)))))
    n = letters.total()
    if n < FEWEST_FOR_LETTERS:
        return
    letter, count = letters.most_common(1)[0]
    if count > MOST_OF_ONE_LETTER * n:
        raise DataError(
            f"{path}: the violating answer is ({letter}) in {count} of {n} A/B rows, so the direction would be that letter's; "
            "swap the options in about half of the questions"
        )
