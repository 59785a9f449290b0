"""What a study will cost before it runs: tokens, time and disk, from the plan, the weights' size, and what earlier runs took.

What does not belong here: the plan itself (`plan.py`). Figures are estimates and say what they rest on.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asteer_core.concepts.card import read_card
from asteer_core.concepts.concept import find_concept
from asteer_core.errors import AsteerError
from asteer_core.model.available import available_models
from asteer_core.model.sizes import count_weights
from asteer_core.model.static_embeddings import static_path
from asteer_core.paths import concept_roots, data_root
from asteer_core.study.plan import Plan
from asteer_core.study.study import Study
from asteer_core.study.training_costs import TrainingCost, training_costs
from asteer_core.warehouse.files import read_frame, stamps
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

FLOPS_PER_CORE = 1.5e10
"""Floating-point operations per second and core that generation reaches in batches on a CPU; see `benchmarks/generation.py`."""
BYTES_PER_TOKEN = 40
"""Disk per generated token: text, measurements and scores as parquet, and embeddings in the cache."""
REPLY_SHARE = 0.5
"""Replies end by themselves before the limit; half of it is what the embedded models write."""
DISTILLING_SECONDS = 35.0
"""Of one core, for the table of static embeddings."""
GENERATION = ("baseline_corpora", "steered_corpora")


def cpu_cores() -> int:
    """Return the number of CPU cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Estimate:
    """What a study will take.

    Attributes:
        responses: replies to generate, baselines included.
        tokens: expected tokens, a share of the limit or what earlier runs wrote per reply.
        seconds: of all stages; None where nothing tells (models on a GPU or the hub that never ran here).
        disk: bytes.
        basis: what time rests on, to be shown beside it.
        training: detector kinds that train for long; `seconds` includes them.
        distils: whether static embeddings, which the metrics ask for, are to be distilled in this home first.
    """

    responses: int
    tokens: int
    seconds: float | None
    disk: int
    basis: str
    distils: bool = False
    training: tuple[TrainingCost, ...] = ()


def estimate(study: Study, plan: Plan, home: Path, cores: int) -> Estimate:
    """Return what a study will take.

    What is stored already is not subtracted: it is adopted in seconds, and the plan of a rerun says how much there is.
    """
    distils = study.metrics.embedding == "static" and not static_path(home).is_file()
    random = study.controls.random
    directions = 0
    if random and not isinstance(random.strengths, dict):
        directions = len(plan.models) * _count(random.layers_of(plan.models[0])) * len(random.strengths)
    each = len(plan.configuration_keys) + len(plan.models) + directions
    prompted = len(plan.models) * sum(_templates(study, concept, home) for concept in plan.concepts)
    responses = (len(plan.concepts) * each + prompted) * study.size.prompts * study.size.samples
    tokens = int(responses * study.sampling.max_new_tokens * REPLY_SHARE)
    # The real positives are one more arm of every cell, for which nothing is generated.
    arms = len(plan.concepts) * (each + len(plan.models)) + prompted
    training = training_costs(study, plan, home, arms, cores)
    seconds, basis = _seconds(study, plan, home, responses, tokens, training, cores)
    if seconds is not None and distils:
        seconds += DISTILLING_SECONDS / cores
    return Estimate(responses, tokens, seconds, tokens * BYTES_PER_TOKEN, basis, distils, training)


def _seconds(
    study: Study, plan: Plan, home: Path, responses: int, tokens: int, training: tuple[TrainingCost, ...], cores: int
) -> tuple[float | None, str]:
    """Return the seconds of all stages, None where nothing tells, and what they rest on."""
    fits = [cost.seconds for cost in training]
    rate = _earlier_rate(home, study.name)
    if rate is not None:
        # Earlier runs may have had other detectors than the file has now.
        return max(responses * rate, sum(one or 0.0 for one in fits)), f"earlier runs of {study.name!r} on this machine"
    weights = [_weights(name, home) for name in plan.models]
    if not weights or None in weights or None in fits:
        return None, "no earlier run, and weights that are not on this disk"
    mean = sum(weight for weight in weights if weight is not None) / len(weights)
    # Two operations per weight and token; scoring, embedding and the other detectors take about as long again on small models.
    generation = tokens * 2 * mean / (FLOPS_PER_CORE * cores) + responses * 0.01
    return generation + sum(one or 0.0 for one in fits), f"the size of the weights and {cores} CPU cores"


def _templates(study: Study, concept: str, home: Path) -> int:
    card = read_card(find_concept(concept, concept_roots(home, data_root())) / "concept.yaml")
    return len(card.templates[: study.controls.templates])


def _count(layers: object) -> int:
    return len(layers) if isinstance(layers, list | tuple) else 1


def _earlier_rate(home: Path, name: str) -> float | None:
    """Return seconds per response over all stages of runs that made corpora; None where there are none."""
    folder = Store(studies(home) / name).root / "runs"
    files = [folder / file for file in stamps(folder)]
    if not files:
        return None
    try:
        runs = pl.concat([read_frame(file) for file in files], how="diagonal_relaxed")
    except (pl.exceptions.PolarsError, OSError):
        return None
    made = runs.filter(pl.col("stage").is_in(GENERATION) & (pl.col("reused") < pl.col("partitions")) & pl.col("complete"))
    whole = runs.filter(pl.col("run_id").is_in(made["run_id"].implode()))
    rows = int(made["rows"].sum() or 0)
    return float(whole["seconds"].sum()) / rows if rows else None


def _weights(name: str, home: Path) -> int | None:
    """Return the number of weights of a local model; None for one that is not on this disk."""
    try:
        source = available_models(home, data_root()).get(name).source
    except AsteerError:
        return None
    folder = next((path for path in (data_root() / source, Path(source)) if path.is_dir()), None)
    return count_weights(folder) if folder else None
