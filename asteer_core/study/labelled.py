"""Labelled rows of a user's own file: read, checked row by row, and split by prompt group.

Not here: data sets of concepts, which a YAML describes (`asteer_core.datasets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asteer_core.errors import DataError
from asteer_core.study.text_rows import Form, fault_of, file_records, text_of

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)
LABELS = {0: 0, 1: 1, "0": 0, "1": 1}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled rows: texts, labels (0/1, int [row]), groups (str [row]), and prompts and splits where every row has one."""

    where: str
    texts: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    prompts: tuple[str, ...] | None
    splits: np.ndarray | None

    def take(self, mask: np.ndarray) -> Labelled:
        """Return the rows under a mask, bool [row]."""
        rows = np.flatnonzero(mask)
        prompts = None if self.prompts is None else tuple(self.prompts[row] for row in rows)
        splits = None if self.splits is None else self.splits[rows]
        return Labelled(self.where, tuple(self.texts[row] for row in rows), self.labels[rows], self.groups[rows], prompts, splits)

    def need_both_classes(self, what: str) -> None:
        """Raise where the rows are of one class.

        Raises:
            DataError: they are.
        """
        positives = int(self.labels.sum())
        if positives in (0, len(self.labels)):
            raise DataError(
                f"{self.where}: {positives} of {len(self.labels)} {what} rows have label 1 (violating); both labels are needed, so add "
                f"rows with label {0 if positives else 1}"
            )


def read_labelled(path: Path, form: Form = "auto") -> Labelled:
    """Return the rows of a file with `response` (or `text`), `label` (0 or 1), and optionally `prompt`, `group` and `split`.

    The group is `group`, else the prompt, else the row itself: rows of one group never stand on both sides of a split.

    Raises:
        DataError: the file cannot be read or has no rows, or a row is broken; the message names the row.
    """
    rows = [_row(path, number, columns) for number, columns in file_records(path, form)]
    if not rows:
        raise DataError(f"{path}: no rows; expected some with `response` (or `text`) and `label`")
    prompts = [row["prompt"] for row in rows]
    splits = [row["split"] for row in rows]
    if None in splits and any(split is not None for split in splits):
        raise DataError(
            f"{path}, row {rows[splits.index(None)]['number']}: no `split`, but other rows have one; give all rows one, or none"
        )
    whole = None not in prompts
    return Labelled(
        str(path),
        tuple(row["text"] for row in rows),
        np.array([row["label"] for row in rows]),
        np.array([row["group"] for row in rows]),
        tuple(prompts) if whole else None,
        None if None in splits else np.array(splits),
    )


def _row(path: Path, number: int, columns: dict[str, Any] | str) -> dict[str, Any]:
    where = f"{path}, row {number}"
    if isinstance(columns, str):
        raise DataError(f"{where}: {columns}")
    text, prompt, split = text_of(columns), columns.get("prompt"), columns.get("split") or None
    fault = fault_of("`response` (or `text`)", text) or (None if prompt is None else fault_of("`prompt`", prompt))
    if fault:
        raise DataError(f"{where}: {fault}")
    label = columns.get("label")
    if isinstance(label, list | dict) or label not in LABELS:
        shown = "missing" if label is None else repr(label)[:40]
        raise DataError(f"{where}: label {shown}; expected 0 (compliant) or 1 (violating)")
    if split is not None and split not in SPLITS:
        raise DataError(f"{where}: split {str(split)[:40]!r}; expected {', '.join(SPLITS)}, or no such column")
    group = columns.get("group")
    named = f"group {group}" if group is not None else f"prompt {prompt}" if prompt else f"row {number}"
    return {"number": number, "text": text, "label": LABELS[label], "prompt": prompt, "split": split, "group": named}


def split_of(rows: Labelled, rng: np.random.Generator) -> np.ndarray:
    """Return the split of each row, str [row]: the file's own, else 70, 15 and 15 % of the groups, drawn.

    Raises:
        DataError: a group stands in two splits of the file's own, or a split lacks a class.
    """
    splits = rows.splits if rows.splits is not None else _drawn(rows, rng)
    crossing = _crossing(rows.groups, splits)
    if crossing:
        raise DataError(f"{rows.where}: {len(crossing)} groups stand in two splits, such as {crossing[0][:60]!r}; keep each in one")
    for split in SPLITS:
        rows.take(splits == split).need_both_classes(split)
    return splits


def _drawn(rows: Labelled, rng: np.random.Generator) -> np.ndarray:
    names, member = np.unique(rows.groups, return_inverse=True)
    violating = np.bincount(member, weights=rows.labels) > 0
    split = np.empty(len(names), dtype=int)
    # Groups with a violating row apart from those without, so that a small file has both classes in every split.
    for part in (np.flatnonzero(violating), np.flatnonzero(~violating)):
        bounds = np.round(np.cumsum(SHARES)[:-1] * len(part))
        split[rng.permutation(part)] = np.searchsorted(bounds, np.arange(len(part)), side="right")
    return np.array(SPLITS)[split[member]]


def _crossing(groups: np.ndarray, splits: np.ndarray) -> Sequence[str]:
    pairs = sorted(set(zip(groups.tolist(), splits.tolist(), strict=True)))
    return [first[0] for first, second in pairwise(pairs) if first[0] == second[0]]
