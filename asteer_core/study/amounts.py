"""What a study computes, in numbers: texts, tokens, corpora and training sets, counted before it runs.

What does not belong here: how long any of it takes (`stage_costs.py`). Blocks and strengths that the study leaves to a search are not
counted, nor what methods train.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from asteer_core import paths
from asteer_core.concepts import Concept, load_concept
from asteer_core.errors import AsteerError
from asteer_core.study.plan import Plan
from asteer_core.study.study import Study
from asteer_core.study.training_costs import CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class Texts:
    """Texts of one origin: how many, and the mean tokens of one."""

    count: int
    tokens: float


@dataclass(frozen=True)
class Cell:
    """What one concept and model ask for.

    Attributes:
        weights: of the model.
        scorer: weights of the model that scores its texts.
        vectors: directions, the random one included.
        steered: configurations.
        baselines: unsteered, prompted and random-direction corpora.
        pairs: replies of the contrastive pairs, both sides.
        prompt_tokens: mean tokens of a prompt.
    """

    weights: int
    scorer: int
    vectors: int
    steered: int
    baselines: int
    pairs: Texts
    prompt_tokens: float


@dataclass(frozen=True)
class Amounts:
    """All that a study computes, in numbers.

    Attributes:
        judged: texts that judges learn from, of all concepts.
        real: real texts of all concepts.
        cells: concept x model.
        corpus: responses of one configuration, and their mean tokens.
        concepts: number of concepts.
        kinds: detector kinds.
        fits: detectors per training set of the kinds that do not train for long.
        read: weights of the models whose activations detectors read.
        bootstrap: resamples of intervals of detectors.
        drawn: texts in all subsamples of a corpus, of which diversity is the mean.
    """

    judged: Texts
    real: Texts
    cells: tuple[Cell, ...]
    corpus: Texts
    concepts: int
    kinds: int
    fits: int
    read: int
    bootstrap: int
    drawn: int

    @cached_property
    def baselines(self) -> int:
        """Corpora of baselines, of all cells."""
        return sum(cell.baselines for cell in self.cells)

    @cached_property
    def steered(self) -> int:
        """Steered corpora, of all cells."""
        return sum(cell.steered for cell in self.cells)


def amounts(study: Study, plan: Plan, home: Path, weights: Mapping[str, int], scorers: Mapping[str, int], tokens: float) -> Amounts:
    """Return what a study computes.

    Args:
        weights: of each model of the plan.
        scorers: weights of each model's scorer, by the model's name; those of models that detectors read, by theirs, are in `weights`.
        tokens: mean tokens of a response.

    Raises:
        AsteerError: a concept cannot be read.
    """
    concepts = [load_concept(name, paths.concept_roots(home, paths.data_root()), home / "cache" / "datasets") for name in plan.concepts]
    cells = [_cell(study, plan, concept, model, weights[model], scorers[model]) for concept in concepts for model in plan.models]
    quick = [choice for choice in study.detectors.kinds if not choice.build().trains_long]
    read = {name for choice in study.detectors.kinds if (name := choice.build().language_model())}
    return Amounts(
        judged=_texts([concept.judge["response"] for concept in concepts]),
        real=_texts([_real(concept)["response"] for concept in concepts]),
        cells=tuple(cells),
        corpus=Texts(study.size.prompts * study.size.samples, tokens),
        concepts=len(concepts),
        kinds=len(study.detectors.kinds),
        fits=sum(study.detectors.seeds_of(choice) for choice in quick),
        read=sum(weights[name] for name in read),
        bootstrap=study.detectors.bootstrap,
        drawn=study.metrics.m * study.metrics.subsamples,
    )


def _cell(study: Study, plan: Plan, concept: Concept, model: str, weights: int, scorer: int) -> Cell:
    def of_model(keys: tuple[str, ...]) -> int:
        return sum(key.split(":")[0] == model for key in keys)

    return Cell(
        weights,
        scorer,
        vectors=of_model(plan.vector_keys),
        steered=of_model(plan.configuration_keys),
        baselines=1 + len(concept.templates[: study.controls.templates]) + directions(study, model),
        pairs=_texts([concept.pairs[side] for side in ("violating", "compliant")]),
        prompt_tokens=_texts([concept.prompts["prompt"]]).tokens,
    )


def directions(study: Study, model: str) -> int:
    """Return how many random-direction corpora a cell of `model` has; none are counted where their strengths are to be searched."""
    random = study.controls.random
    if not random or isinstance(random.strengths, dict):
        return 0
    layers = random.layers_of(model)
    return (len(layers) if isinstance(layers, list | tuple) else 1) * len(random.strengths)


def _real(concept: Concept) -> pl.DataFrame:
    """Return the real texts of a concept; data sets that are not on this disk yet count nothing."""
    try:
        return concept.real
    except AsteerError:
        return concept.own


def _texts(columns: list[pl.Series]) -> Texts:
    texts = pl.concat([column.cast(pl.String) for column in columns])
    return Texts(len(texts), float(texts.str.len_chars().mean() or 0) / CHARACTERS_PER_TOKEN)  # type: ignore[arg-type]
