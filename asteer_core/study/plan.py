"""What a study will make: every configuration, baseline and vector by key, before anything runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from asteer_core.study.depth import registered_depth
from asteer_core.study.dials import Place, Push, places, pushes
from asteer_core.study.grid import Dial, Part
from asteer_core.study.study import Study
from asteer_core.types import Configuration

RANDOM = "random"


@dataclass(frozen=True)
class Plan:
    """The partition keys of a study, in the order in which they are made; keys of one model are contiguous.

    `combined`: configuration key -> keys of its vectors, where these are not the one that the key begins with.
    """

    concepts: tuple[str, ...]
    models: tuple[str, ...]
    configuration_keys: tuple[str, ...]
    vector_keys: tuple[str, ...]
    combined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def vectors_of(self, configuration_key: str) -> tuple[str, ...]:
        """Return the keys of the vectors that a configuration steers with."""
        return self.combined.get(configuration_key) or (":".join(configuration_key.split(":")[:2]),)

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


Depth = Callable[[str], int]
"""Model name -> its number of blocks; asked only where the study names a share of the depth."""


def plan(study: Study, depth: Depth = registered_depth) -> Plan:
    """Return the partitions of `study`.

    Raises:
        AsteerError: the study names a share of the depth of a model whose depth cannot be read.
    """
    keys: dict[str, None] = {}
    vectors: dict[str, None] = {}
    combined: dict[str, tuple[str, ...]] = {}
    for model in study.models:
        for grid in study.grid:
            for place in places_of(grid, model, depth):
                for push in pushes(grid.strengths):
                    configuration = _configuration(study, study.concepts[0], model, grid.label, place, push)
                    keys[configuration.key] = None
                    vectors[configuration.vector_key] = None
        for combination in study.combinations:
            for push in pushes(combination.strengths):
                key = _configuration(study, study.concepts[0], model, combination.name, Place(), push).key
                keys[key] = None
                combined[key] = tuple(dict.fromkeys(f"{model}:{part.method}" for part in combination.parts))
                vectors |= dict.fromkeys(combined[key])
        if study.controls.random:
            vectors[f"{model}:{RANDOM}"] = None
    return Plan(tuple(study.concepts), tuple(study.models), tuple(keys), tuple(vectors), combined)


def places_of(dial: Dial | Part, model: str, depth: Depth = registered_depth) -> list[Place]:
    """Return where a dial steers `model`."""
    return places(dial.layers_of(model), partial(depth, model))


def steered(study: Study, concept: str, key: str) -> Configuration:
    """Return the configuration of one steered partition, as it was asked for: dials left to `auto` are not resolved."""
    return Configuration.parse(concept, key, seed=study.seed)


def dials_of(study: Study, vector_key: str) -> list[Dial]:
    """Return the dials that steer with one vector."""
    _, method = vector_key.split(":")
    found: list[Dial] = [grid for grid in study.grid if grid.label == method]
    if method == RANDOM and study.controls.random:
        found.append(study.controls.random)
    return found


def asked_of(study: Study, vector_key: str, depth: Depth = registered_depth) -> list[tuple[Place, Push]]:
    """Return every (place, push) that the study asks of one vector, each once."""
    model = vector_key.split(":")[0]
    every = (
        (place, push) for dial in dials_of(study, vector_key) for place in places_of(dial, model, depth) for push in pushes(dial.strengths)
    )
    parts = [part for found in study.combinations for part in found.parts if f"{model}:{part.method}" == vector_key]
    combined = ((place, Push()) for part in parts for place in places_of(part, model, depth))
    return list(dict.fromkeys((*every, *combined)))


def blocks_of(study: Study, vector_key: str, depth: Depth = registered_depth) -> list[int]:
    """Return the blocks that the study names for one vector, sorted; blocks left to `auto` are not among them."""
    return sorted({place.layer for place, _ in asked_of(study, vector_key, depth) if place.layer is not None})


def baselines(study: Study, concept: str, model: str, templates: tuple[str, ...], depth: Depth = registered_depth) -> list[Configuration]:
    """Return the baseline configurations of a cell: unsteered, prompted (one per template), random directions.

    Args:
        templates: ids of the templates to use, already cut to the study's number (`Workspace.templates`).
    """
    seed = study.seed
    found = [Configuration(concept, model, "unsteered", seed=seed)]
    found += [Configuration(concept, model, "prompted", template=template, seed=seed) for template in templates]
    dial = study.controls.random
    if dial:
        every = ((place, push) for place in places_of(dial, model, depth) for push in pushes(dial.strengths))
        found += [_configuration(study, concept, model, RANDOM, place, push) for place, push in every]
    return found


def _configuration(study: Study, concept: str, model: str, method: str, place: Place, push: Push) -> Configuration:
    return Configuration(concept, model, method, place.layer, push.strength, seed=study.seed, layer_rank=place.rank, kl_target=push.kl)
