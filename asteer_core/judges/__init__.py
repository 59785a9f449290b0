"""Judges of success: texts in, calibrated probability of violation out. One file per judge; no detector shares their data."""

from asteer_core.judges._budget import DryRun
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._verdicts import Verdicts
from asteer_core.judges.calibration import calibrate
from asteer_core.judges.embedded import EmbeddedJudge
from asteer_core.judges.protocol import DEFAULT, JUDGES, Judge, JudgeKind, Labelled, Tools, choose_judge

__all__ = [
    "DEFAULT", "JUDGES", "DryRun", "EmbeddedJudge", "Judge", "JudgeKind", "Labelled", "Rubric", "Tools", "Verdicts", "calibrate",
    "choose_judge",
]  # fmt: skip
