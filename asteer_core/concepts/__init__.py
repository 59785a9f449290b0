"""Concepts: what a violation is, contrastive pairs, prompts and labelled text, read and validated before anything runs.

Belongs here: reading, validation, splits, fingerprints. Does not: files of other formats (`asteer_core.datasets`), models, metrics,
or where results are stored.
"""

from asteer_core.concepts.concept import Concept, Template, list_concepts, load_concept
from asteer_core.concepts.real import domains

__all__ = ["Concept", "Template", "domains", "list_concepts", "load_concept"]
