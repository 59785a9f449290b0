"""From what a judge says to a calibrated probability, fitted on labelled responses, with a report that no row had a part in.

Not here: the curves (`_calibration.py`), judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import expit, logit

from asteer_core.errors import DataError, StoreError
from asteer_core.judges._calibration import brier, expected_calibration_error, isotonic, platt, ranked
from asteer_core.judges._folds import group_folds
from asteer_core.tensors import read_tensors, write_tensors

Calibration = Literal["none", "platt", "isotonic"]
KIND = "judge calibration"
VERSION = 1
FEWEST = 5
"""Fewest verdicts on either label that a curve is fitted to."""
_EDGE = 1e-9
"""Kept between a probability and 0 or 1 before its log-odds are taken: about the resolution of float32, in which models answer."""


@dataclass(frozen=True, eq=False)
class Scale:
    """A curve from the judge's probability to a calibrated one; `platt` has slope and offset on log-odds, `isotonic` knots [2, knot]."""

    method: Calibration = "none"
    slope: float = 1.0
    offset: float = 0.0
    knots: np.ndarray | None = None

    @classmethod
    def fit(cls, probability: np.ndarray, labels: np.ndarray, method: Calibration, who: str) -> Scale:
        """Return the curve of finite probabilities, float64 [row], against labels 0 and 1.

        Raises:
            DataError: a label has fewer than five rows, or the judge says more where the label is 0.
        """
        if method == "none":
            return cls()
        counts = [int((labels == side).sum()) for side in (0, 1)]
        if min(counts) < FEWEST:
            raise DataError(
                f"{who}: {counts[0]} verdicts on compliant and {counts[1]} on violating rows; calibration needs {FEWEST} of each: "
                "raise `labelled`, add rows to judge.jsonl, or set calibration: none"
            )
        slope, offset = platt(_odds(probability), labels)
        area = ranked(probability, labels)
        if slope <= 0 or area <= 0.5:
            raise DataError(
                f"{who}: it does not tell violating from compliant rows of judge.jsonl (AUROC {area:.2f}); it does not understand the "
                "question: choose a larger model or another judge, or look at the rubric in concept.yaml"
            )
        return cls("platt", slope, offset) if method == "platt" else cls("isotonic", knots=isotonic(probability, labels))

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float64 [row]; NaN stays NaN."""
        if self.method == "platt":
            return expit(self.slope * _odds(probability) + self.offset)
        if self.method == "isotonic" and self.knots is not None:
            return np.where(np.isnan(probability), np.nan, np.interp(np.nan_to_num(probability), *self.knots))
        return probability

    def save(self, path: Path, report: dict[str, Any]) -> None:
        """Write curve and report as one safetensors file."""
        header = {"method": self.method, "slope": self.slope, "offset": self.offset, "report": report}
        write_tensors(path, KIND, VERSION, header, {"knots": np.zeros((2, 1)) if self.knots is None else self.knots})


def load_scale(path: Path) -> tuple[Scale, dict[str, Any]]:
    """Return the curve and the report that `Scale.save` wrote.

    Raises:
        StoreError: missing, damaged or foreign file.
    """
    header, tensors = read_tensors(path, KIND, VERSION)
    try:
        knots = tensors["knots"] if header["method"] == "isotonic" else None
        scale = Scale(header["method"], float(header["slope"]), float(header["offset"]), knots)
        report = dict(header["report"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: the header does not match the tensors ({error!r}); delete the file and run the judges again") from error
    numbers = np.append([scale.slope, scale.offset], [] if knots is None else knots)
    if scale.method not in ("none", "platt", "isotonic") or not np.isfinite(numbers).all() or (knots is not None and knots.ndim != 2):
        raise StoreError(f"{path}: not a calibration of finite numbers; delete the file and run the judges again")
    return scale, report


def out_of_fold(
    probability: np.ndarray, labels: np.ndarray, groups: np.ndarray, method: Calibration, rng: np.random.Generator, who: str
) -> np.ndarray:
    """Return each row's probability under the curve of the other folds; groups are never on both sides."""
    if method == "none":
        return probability
    found = np.full(len(labels), np.nan)
    for train, held in group_folds(labels, groups, len(labels), rng, who):
        found[held] = Scale.fit(probability[train], labels[train], method, who).apply(probability[held])
    return found


def quality(probability: np.ndarray, calibrated: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return auroc of the judge's own ranking, and brier and ece of the calibrated probabilities; None where they have no value."""
    if len(np.unique(labels)) < 2:
        return {"auroc": None, "brier": None, "ece": None}
    error = expected_calibration_error(calibrated, labels)
    return {"auroc": ranked(probability, labels), "brier": brier(calibrated, labels), "ece": error}


def _odds(probability: np.ndarray) -> np.ndarray:
    return logit(np.clip(probability, _EDGE, 1 - _EDGE))
