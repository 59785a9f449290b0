"""What a study will cost before it runs: tokens, time and disk, from the plan, the weights' size, and what earlier runs took.

What does not belong here: the plan itself (`plan.py`). Figures are estimates and say what they rest on.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from asteer_core.concepts.card import read_card
from asteer_core.concepts.concept import find_concept
from asteer_core.errors import AsteerError
from asteer_core.model.available import available_models
from asteer_core.model.sizes import count_weights
from asteer_core.model.static_embeddings import static_path
from asteer_core.paths import concept_roots, data_root
from asteer_core.study.amounts import amounts, directions
from asteer_core.study.plan import Plan
from asteer_core.study.stage_costs import stage_costs
from asteer_core.study.study import Study
from asteer_core.study.training_costs import TrainingCost, training_costs
from asteer_core.warehouse.files import read_frame, stamps
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

BYTES_PER_TOKEN = 40
"""Disk per generated token: text, measurements and scores as parquet, and embeddings in the cache."""
REPLY_SHARE = 0.75
"""Replies end by themselves before the limit; this part of it is what the embedded models write in the presets."""
DISTILLING_SECONDS = 35.0
"""Of one core, for the table of static embeddings."""
GENERATION = ("baseline_corpora", "steered_corpora")


def cpu_cores() -> int:
    """Return the number of CPU cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class StageSeconds(NamedTuple):
    """What one stage takes on the cores at hand; `start` and `results` stand for what comes before and after the long ones."""

    stage: str
    seconds: float


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
        stages: what else `seconds` is made of; none where it goes by earlier runs, or is unknown.
        distils: whether static embeddings, which the metrics ask for, are to be distilled in this home first.
    """

    responses: int
    tokens: int
    seconds: float | None
    disk: int
    basis: str
    distils: bool = False
    training: tuple[TrainingCost, ...] = ()
    stages: tuple[StageSeconds, ...] = ()


def estimate(study: Study, plan: Plan, home: Path, cores: int) -> Estimate:
    """Return what a study will take.

    What is stored already is not subtracted: it is adopted in seconds, and the plan of a rerun says how much there is.
    """
    distils = study.metrics.embedding == "static" and not static_path(home).is_file()
    each = len(plan.configuration_keys) + len(plan.models) + sum(directions(study, model) for model in plan.models)
    prompted = len(plan.models) * sum(_templates(study, concept, home) for concept in plan.concepts)
    responses = (len(plan.concepts) * each + prompted) * study.size.prompts * study.size.samples
    tokens = int(responses * study.sampling.max_new_tokens * REPLY_SHARE)
    # The real positives are one more arm of every cell, for which nothing is generated.
    arms = len(plan.concepts) * (each + len(plan.models)) + prompted
    training = training_costs(study, plan, home, arms, cores)
    rate = _earlier_rate(home, study.name)
    stages: tuple[StageSeconds, ...] = ()
    if rate is not None:
        # Earlier runs may have had other detectors than the file has now.
        seconds = max(responses * rate, sum(cost.seconds or 0.0 for cost in training))
        basis = f"earlier runs of {study.name!r} on this machine"
    else:
        stages = _stages(study, plan, home, tokens / responses, cores)
        seconds, basis = _sum(stages, training), f"what stages take per text and weight, and {cores} CPU cores"
        if seconds is None:
            stages, basis = (), "no earlier run, and weights that are not on this disk"
    if seconds is not None and distils:
        seconds += DISTILLING_SECONDS / cores
    return Estimate(responses, tokens, seconds, tokens * BYTES_PER_TOKEN, basis, distils, training, stages)


def _sum(stages: tuple[StageSeconds, ...], training: tuple[TrainingCost, ...]) -> float | None:
    """Return the seconds of all stages and trainings; None where those of any are unknown."""
    parts = [cost.seconds for cost in (*stages, *training)]
    known = [part for part in parts if part is not None]
    return sum(known) if stages and len(known) == len(parts) else None


def _stages(study: Study, plan: Plan, home: Path, tokens: float, cores: int) -> tuple[StageSeconds, ...]:
    """Return the seconds of each stage; none where a model is not on this disk. `tokens`: of a response."""
    scorers = {model: _scorer(model, home) for model in plan.models}
    read = [name for choice in study.detectors.kinds if (name := choice.build().language_model())]
    weights = {name: _weights(name, home) for name in {*plan.models, *scorers.values(), *read} if name is not None}
    known = {name: count for name, count in weights.items() if count is not None}
    if len(known) < len(weights) or None in scorers.values():
        return ()
    work = amounts(study, plan, home, known, {model: known[str(scorer)] for model, scorer in scorers.items()}, tokens)
    return tuple(StageSeconds(cost.stage, cost.seconds(cores)) for cost in stage_costs(work))


def _templates(study: Study, concept: str, home: Path) -> int:
    card = read_card(find_concept(concept, concept_roots(home, data_root())) / "concept.yaml")
    return len(card.templates[: study.controls.templates])


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


def _scorer(model: str, home: Path) -> str | None:
    """Return the name of the model that scores another's texts; None where there is none."""
    try:
        return available_models(home, data_root()).scorer_of(model)
    except AsteerError:
        return None


def _weights(name: str, home: Path) -> int | None:
    """Return the number of weights of a local model; None for one that is not on this disk."""
    try:
        source = available_models(home, data_root()).get(name).source
    except AsteerError:
        return None
    folder = next((path for path in (data_root() / source, Path(source)) if path.is_dir()), None)
    return count_weights(folder) if folder else None
