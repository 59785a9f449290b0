"""Detectors: trained on one arm's texts, tested on real ones, compared with one another, audited.

Doors: `TextSet`, `DETECTORS`, `train_arm`, `evaluate`, `compare`, `DuplicateIndex` / `deduplicate`, `audit_arm`.
scikit-learn and datasketch are imported on first use only.
"""

from asteer_core.detectors.arms import draw, train_arm, training_set
from asteer_core.detectors.audits import Gates, audit_arm, flags, generator_auroc, length_auroc
from asteer_core.detectors.comparison import Difference, compare, delong
from asteer_core.detectors.evaluation import MEASURES, evaluate, split_half_auroc
from asteer_core.detectors.near_duplicates import DuplicateIndex, deduplicate
from asteer_core.detectors.protocol import DETECTORS, Detector, TextSet

__all__ = [
    "DETECTORS", "MEASURES", "Detector", "Difference", "DuplicateIndex", "Gates", "TextSet", "audit_arm", "compare", "deduplicate",
    "delong", "draw", "evaluate", "flags", "generator_auroc", "length_auroc", "split_half_auroc", "train_arm", "training_set",
]  # fmt: skip
