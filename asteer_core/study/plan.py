"""What a study will make: every configuration, baseline and vector by key, before anything runs."""

from dataclasses import dataclass

from asteer_core.study.study import Dial, Study
from asteer_core.types import Configuration

RANDOM = "random"


@dataclass(frozen=True)
class Plan:
    """The partition keys of a study, in the order in which they are made; keys of one model are contiguous."""

    concepts: tuple[str, ...]
    models: tuple[str, ...]
    configuration_keys: tuple[str, ...]
    vector_keys: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All (concept, configuration key) partitions."""
        return tuple((concept, key) for concept in self.concepts for key in self.configuration_keys)

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """All (concept, model) cells."""
        return tuple((concept, model) for concept in self.concepts for model in self.models)

    @property
    def vectors(self) -> tuple[tuple[str, str], ...]:
        """All (concept, vector key) partitions."""
        return tuple((concept, key) for concept in self.concepts for key in self.vector_keys)


def plan(study: Study) -> Plan:
    """Return the partitions of `study`."""
    keys: dict[str, None] = {}
    vectors: dict[str, None] = {}
    for model in study.models:
        for grid in study.grid:
            for layer in grid.layers_of(model):
                for strength in grid.strengths:
                    configuration = Configuration(study.concepts[0], model, grid.method, layer, strength)
                    keys[configuration.key] = None
                    vectors[configuration.vector_key] = None
        if study.controls.random:
            vectors[f"{model}:{RANDOM}"] = None
    return Plan(tuple(study.concepts), tuple(study.models), tuple(keys), tuple(vectors))


def steered(study: Study, concept: str, key: str) -> Configuration:
    """Return the configuration of one steered partition."""
    return Configuration.parse(concept, key, seed=study.seed)


def blocks_of(study: Study, vector_key: str) -> list[int]:
    """Return the blocks at which the study steers with one vector, sorted."""
    model, method = vector_key.split(":")
    dials: list[Dial] = [grid for grid in study.grid if grid.method == method]
    if method == RANDOM and study.controls.random:
        dials.append(study.controls.random)
    return sorted({layer for dial in dials for layer in dial.layers_of(model)})


def baselines(study: Study, concept: str, model: str, templates: tuple[str, ...]) -> list[Configuration]:
    """Return the baseline configurations of a cell: unsteered, prompted (one per template), random directions.

    Args:
        templates: ids of the templates to use, already cut to the study's number (`choose_templates`).
    """
    seed = study.seed
    found = [Configuration(concept, model, "unsteered", seed=seed)]
    found += [Configuration(concept, model, "prompted", template=template, seed=seed) for template in templates]
    dial = study.controls.random
    if dial:
        found += [Configuration(concept, model, RANDOM, layer, s, seed=seed) for layer in dial.layers_of(model) for s in dial.strengths]
    return found
