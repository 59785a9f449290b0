"""Detectors: trained on one arm's texts, tested on real ones, compared with one another, audited.

Doors: `TextSet`, `choose_kind`, `DETECTORS`, `train_arm`, `evaluate`, `compare`, `DuplicateIndex` / `deduplicate`, `audit_arm`.
scikit-learn and datasketch are imported on first use only.
"""

from asteer_core.detectors.arms import draw, fit_arm, train_arm, training_set
from asteer_core.detectors.audits import AUDITS, Audit, Gates, audit_arm, flags, generator_auroc, length_auroc
from asteer_core.detectors.cards import DetectorCard
from asteer_core.detectors.comparison import Difference, compare, delong
from asteer_core.detectors.evaluation import MEASURES, evaluate, quarter_auroc
from asteer_core.detectors.near_duplicates import DuplicateIndex, deduplicate
from asteer_core.detectors.persistence import read_detector, save_detector, threshold
from asteer_core.detectors.protocol import DETECTORS, Aids, Detector, Kind, Work, choose_kind
from asteer_core.detectors.selection import Hindsight, hindsight
from asteer_core.detectors.text_sets import TextSet

__all__ = [
    "AUDITS", "DETECTORS", "MEASURES", "Aids", "Audit", "Detector", "DetectorCard", "Difference", "DuplicateIndex", "Gates", "Hindsight",
    "Kind", "TextSet", "Work", "audit_arm", "choose_kind", "compare", "deduplicate", "delong", "draw", "evaluate", "fit_arm",
    "flags", "generator_auroc", "hindsight", "length_auroc", "quarter_auroc", "read_detector", "save_detector",
    "threshold", "train_arm", "training_set",
]  # fmt: skip
