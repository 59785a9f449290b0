"""Real data sets: labelled replies from public or private files, described by YAML, as rows that a concept can use.

Belongs here: descriptions and recipes, readers of file kinds, validation, labels, splits, the cache. Does not: what a concept
is made of (`asteer_core.concepts`), detectors, embeddings.
"""

from asteer_core.datasets.intake import Intake, dataset_identity, read_dataset
from asteer_core.datasets.recipes import list_recipes, load_recipe, recipe_file, resolve
from asteer_core.datasets.spec import ROLES, DatasetSpec

__all__ = [
    "ROLES",
    "DatasetSpec",
    "Intake",
    "dataset_identity",
    "list_recipes",
    "load_recipe",
    "read_dataset",
    "recipe_file",
    "resolve",
]
