"""The detector that a training set makes: the one whose AUROC stands beside its recipe, saved as a folder to ship."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asteer_core.study import Workspace
from asteer_core.study.shipping import ship_texts
from asteer_core.training_set.composing import TrainingSet, named


def train_detector(ws: Workspace, made: TrainingSet, detector: str, out: Path, *, overwrite: bool = False) -> Path:
    """Train a detector of the study on the violating rows of a training set, save it under `out` with card and thresholds, return `out`.

    Its negatives, its threshold and its tests are the concept's real text, as for every detector of a study; rows of label 0 in the set
    are not used.

    Args:
        detector: a name under `detectors.kinds` of the study.

    Raises:
        ConfigError: no such detector in the study; the nearest is suggested.
        StoreError: `out` cannot be written, or holds a detector already.
    """
    positives = made.rows.filter(pl.col("label") == 1)
    texts = positives.select("prompt", text="response")
    return ship_texts(ws, named(ws, made.concept, made.model, positives["row_id"]), texts, detector, out, overwrite=overwrite)
