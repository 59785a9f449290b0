"""Judges of success: texts in, calibrated probability of violation out. One file per judge; no detector shares their data."""

from asteer_core.judges._registry import JUDGES
from asteer_core.judges.calibration import calibrate
from asteer_core.judges.embedded import EmbeddedJudge

__all__ = ["JUDGES", "EmbeddedJudge", "calibrate"]
