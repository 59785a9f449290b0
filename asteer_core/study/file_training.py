"""A detector from a labelled file, without a study: split, trained, tested and saved with its card; and any detector tested on a file.

Not here: reading the file (`labelled.py`), detectors of a study's configurations (`shipping.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asteer_core import paths
from asteer_core.detectors import Aids, DuplicateIndex, audit_arm, choose_kind, evaluate, save_detector
from asteer_core.detectors.cards import DetectorCard, Result, Training
from asteer_core.detectors.persistence import rate_interval
from asteer_core.errors import DataError
from asteer_core.model.digests import hash_files
from asteer_core.study.detecting import TextDetector
from asteer_core.study.labelled import SPLITS, Labelled, split_of
from asteer_core.study.readings import Reader
from asteer_core.versions import asteer_version, library_versions

BOOTSTRAP = 500

Progress = Callable[[int, int, str], None]


def train_on(
    rows: Labelled,
    kind: str,
    options: Mapping[str, Any],
    out: Path,
    *,
    violation: str,
    home: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> Path:
    """Train a detector on the `train` rows of a file, choose by `validation`, report on `test`, save it under `out` and return that.

    Training rows that nearly repeat a test row are left out and counted in the card.

    Args:
        violation: what the label 1 means, for the card.

    Raises:
        ConfigError: no such kind or option.
        DataError: rows that cannot train or test a detector; the message names the file.
        StoreError: `out` is there, or cannot be written.
    """
    chosen, rng = choose_kind(kind, options), np.random.default_rng(seed)
    chosen.check()
    splits = split_of(rows, rng)
    reader = Reader(chosen, paths.home(home))
    if "prompts" in chosen.reads() and rows.prompts is None:
        raise DataError(f"{rows.where}: detector {kind!r} reads prompts as well, and not every row has a `prompt`")
    encoder, model = reader.encoder(), reader.language_model()
    parts = {split: rows.take(splits == split) for split in SPLITS}
    texts = {split: reader.read(part.texts, part.prompts, f"{rows.where}, {split}", encoder, model) for split, part in parts.items()}
    keep, duplicates = DuplicateIndex(texts["test"]).check(texts["train"])
    train, labels = texts["train"].take(keep), parts["train"].labels[keep].astype(float)
    aids = Aids((texts["validation"], parts["validation"].labels.astype(float)), None, on_progress)
    found = chosen.fit(train, labels, rng, aids)
    card = DetectorCard(
        name=f"{violation}-{kind}-{Path(rows.where).stem}",
        kind=kind,
        options=dict(options),
        training=Training(
            concept=violation, arm="real", n_positives=int(labels.sum()), n_negatives=int((labels == 0).sum()), replaced=0.0, seed=seed,
            data_fingerprint=hash_files([Path(rows.where)]), sources=(Path(rows.where).name,),
        ),
        results=(Result(test_set=Path(rows.where).name, measures=_quality(parts["test"], found.score(texts["test"]), rng)),),
        audits=audit_arm(train.take(labels == 1), train.take(labels == 0), rng, duplicates=duplicates),
        encoder=encoder.name if encoder else None,
        language_model=model.fingerprint if model else None,
        versions={"asteer": asteer_version(), **library_versions()},
    )  # fmt: skip
    return save_detector(out, found, card, (found.score(texts["validation"]), parts["validation"].labels), overwrite=overwrite)


def quality_on(rows: Labelled, detector: TextDetector, threshold: float, *, seed: int = 0) -> dict[str, float | int | None]:
    """Return how good a detector is on labelled rows: the measures of `evaluate`, and what the threshold does there.

    `threshold`; `fpr` and `tpr`: shares of negatives and positives at or above it, each with the ends of its exact 95 % interval.

    Raises:
        DataError: rows of one class, rows without prompts where the detector reads them, or rows it cannot read.
    """
    rows.need_both_classes("test")
    if detector.reads_prompts and rows.prompts is None:
        raise DataError(f"{rows.where}: detector {detector.card.name!r} reads prompts as well, and not every row has a `prompt`")
    scores = detector.score(rows.texts, rows.prompts)
    found: dict[str, float | int | None] = dict(_quality(rows, scores, np.random.default_rng(seed)))
    found["threshold"] = threshold
    for name, label in (("fpr", 0), ("tpr", 1)):
        reached = scores[rows.labels == label] >= threshold
        lo, hi = rate_interval(int(reached.sum()), len(reached))
        found |= {name: float(reached.mean()), f"{name}_lo": lo, f"{name}_hi": hi}
    return found


def _quality(rows: Labelled, scores: np.ndarray, rng: np.random.Generator) -> dict[str, float | int | None]:
    unread = np.flatnonzero(~np.isfinite(scores))
    if unread.size:
        raise DataError(
            f"{rows.where}: {unread.size} texts make no tokens for the detector's model, such as row {unread[0] + 1}; drop them"
        )
    return evaluate(rows.labels, scores, rows.groups, rng, BOOTSTRAP, rows.where)
