"""From a finished search to a training set: which rows, what each choice was worth, and files that other tools read.

Belongs here: composition, its evidence, provenance, the data card, formats, the hub. Does not: the search (`search`), or the arithmetic of
choosing (`choosing`).
"""

from asteer_core.training_set.composing import TrainingSet, compose, read_training_set, training_set
from asteer_core.training_set.detector import train_detector
from asteer_core.training_set.exporting import export
from asteer_core.training_set.formats import FORMATS
from asteer_core.training_set.hub import push_to_hub
from asteer_core.training_set.recipes import NEGATIVES, RECIPES, Recipe

__all__ = [
    "FORMATS", "NEGATIVES", "RECIPES", "Recipe", "TrainingSet", "compose", "export", "push_to_hub", "read_training_set", "train_detector",
    "training_set",
]  # fmt: skip
