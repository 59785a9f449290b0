"""Choosing where and how hard to steer, and the evidence for a vector: arithmetic on what the model room measured.

Belongs here: the search for a strength, the ranking of blocks, the card of a vector. Does not: running a model (`asteer_core.model`),
fitting a direction (`asteer_core.methods`), or the order of the work (`asteer_core.study`).
"""

from asteer_core.selection.calibration import Calibrated, Trial, calibrate
from asteer_core.selection.cards import VectorCard, card, cosines, is_weak
from asteer_core.selection.ranking import Pilot, Ranked, rank_blocks

__all__ = ["Calibrated", "Pilot", "Ranked", "Trial", "VectorCard", "calibrate", "card", "cosines", "is_weak", "rank_blocks"]
