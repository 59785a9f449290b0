"""What training the detectors of a study will cost before it runs, for the kinds whose fits take long.

What does not belong here: the cost of everything else (`estimate.py`). Figures are estimates.
"""

from dataclasses import dataclass
from pathlib import Path

from asteer_core import paths
from asteer_core.concepts import load_concept
from asteer_core.detectors import Work
from asteer_core.study.plan import Plan
from asteer_core.study.study import Study
from asteer_core.study.trial import n_positives

FLOPS_PER_CORE = 5e10
"""Floating-point operations per second and core that fine-tuning and scoring reach on a CPU; see `benchmarks/fine_tuning.py`."""
CHARACTERS_PER_TOKEN, SPECIAL_TOKENS = 4.0, 2
TESTED = ("validation", "test")


@dataclass(frozen=True)
class TrainingCost:
    """One kind of a study whose fits take long.

    Attributes:
        detector: its name in the study.
        seeds: trainings of each configuration and baseline.
        fits: trainings: one for each configuration, baseline and seed, and one per concept that is saved.
        seconds: of all of them on the CPU cores at hand; None where the weights are not on this disk.
    """

    detector: str
    seeds: int
    fits: int
    seconds: float | None


def training_costs(study: Study, plan: Plan, home: Path, arms: int, cores: int) -> tuple[TrainingCost, ...]:
    """Return the kinds that train for long, in the order of the study; `arms`: training sets of all concepts, baselines
    and real positives included.

    Raises:
        AsteerError: a concept cannot be read.
    """
    slow = [(choice, kind) for choice in study.detectors.kinds if (kind := choice.build()).trains_long]
    works = [_work(study, concept, home) for concept in plan.concepts] if slow else []
    found = []
    for choice, kind in slow:
        seeds = study.detectors.seeds_of(choice)
        operations = [kind.operations(work) for work in works]
        fits = arms * seeds + len(plan.concepts)
        known = [one for one in operations if one is not None]
        seconds = fits * sum(known) / len(known) / (FLOPS_PER_CORE * cores) if len(known) == len(operations) else None
        found.append(TrainingCost(choice.name, seeds, fits, seconds))
    return tuple(found)


def _work(study: Study, concept: str, home: Path) -> Work:
    real = load_concept(concept, paths.concept_roots(home, paths.data_root()), home / "cache" / "datasets").real
    per_split = dict(real.group_by("split").len().iter_rows())
    characters = float(real["response"].str.len_chars().mean() or 0)  # type: ignore[arg-type]
    positives = n_positives(study)
    return Work(
        train=positives + round(study.detectors.negatives_per_positive * positives),
        validation=per_split.get("validation", 0),
        scored=sum(per_split.get(split, 0) for split in TESTED),
        tokens=characters / CHARACTERS_PER_TOKEN + SPECIAL_TOKENS,
    )
