"""The partition definitions of a study and the exact mappings between them. Keys are static, read from the study's plan.

What does not belong here: assets, and any choice of which concepts or configurations there are (that is the study file's).

Only built-in mappings that Dagster can serialise are used: custom ones pass in process and break the code location in the UI.
A configuration key begins with its model, so that the keys of one model are neighbours and a range of them is one rectangle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from asteer_core.errors import ConfigError
from asteer_core.study import Plan
from asteer_core.study.plan import RANDOM
from asteer_pipeline.beta import accepted_beta

FORBIDDEN = "|,[]*/"
"""Dagster separates dimensions by `|` and reads the others in key ranges and lists."""


@dataclass(frozen=True)
class StudyPartitions:
    """The four partition definitions of a study; aggregates have none.

    Attributes:
        concept: one partition per concept.
        vector: concept x vector key, such as `toxicity|llama-3m:caa`.
        configuration: concept x configuration key, such as `toxicity|llama-3m:caa:L02:s0.60`.
        model: concept x model name, for the baselines.
        vector_to_configuration: a steered corpus depends on exactly the vectors it is steered with.
        model_to_configuration: what is steered depends on the baseline of the same concept and model.
        vectors_to_model: a search depends on every vector of its model.
        vector_to_model: of the vectors only random directions are used by baselines; None where the study has no such control.
        judge_loads_model: whether the study's judge loads a model onto the GPU, which the runs that make judges then hold.
    """

    concept: dg.StaticPartitionsDefinition
    vector: dg.MultiPartitionsDefinition
    configuration: dg.MultiPartitionsDefinition
    model: dg.MultiPartitionsDefinition
    vector_to_configuration: dg.MultiPartitionMapping
    model_to_configuration: dg.MultiPartitionMapping
    vectors_to_model: dg.MultiPartitionMapping
    vector_to_model: dg.MultiPartitionMapping | None
    judge_loads_model: bool = False

    def random_vectors(self, vectors: str) -> list[dg.AssetDep]:
        """Return the baselines' dependency on the random directions of the asset `vectors`; empty where there are none."""
        return [dg.AssetDep(vectors, partition_mapping=self.vector_to_model)] if self.vector_to_model else []


def study_partitions(plan: Plan) -> StudyPartitions:
    """Return the partition definitions and mappings of `plan`.

    Raises:
        ConfigError: a key holds a character that Dagster reserves, is listed twice, or names no vector or model of the plan.
    """
    axes = {
        "concept": plan.concepts,
        "model": plan.models,
        "vector": plan.vector_keys,
        "configuration": plan.configuration_keys,
    }
    for axis, keys in axes.items():
        _check_keys(axis, keys)
    concept, model, vector, configuration = (dg.StaticPartitionsDefinition(list(keys)) for keys in axes.values())
    random = {key: [_model_of(key)] for key in plan.vector_keys if key.split(":")[1] == RANDOM}
    return StudyPartitions(
        concept=concept,
        vector=dg.MultiPartitionsDefinition({"concept": concept, "vector": vector}),
        configuration=dg.MultiPartitionsDefinition({"concept": concept, "configuration": configuration}),
        model=dg.MultiPartitionsDefinition({"concept": concept, "model": model}),
        vector_to_configuration=_mapping("vector", "configuration", _children(plan.vector_keys, plan.configuration_keys, plan.vectors_of)),
        model_to_configuration=_mapping("model", "configuration", _children(plan.models, plan.configuration_keys, _models_of)),
        vectors_to_model=_mapping("vector", "model", {key: [_model_of(key)] for key in plan.vector_keys}),
        vector_to_model=_mapping("vector", "model", random) if random else None,
    )


def pairs(context: dg.AssetExecutionContext) -> list[tuple[str, str]]:
    """Return what a run over concept x something was asked for, as (concept, key), in the order of the definition."""
    found = []
    for key in context.partition_keys:
        if not isinstance(key, dg.MultiPartitionKey):
            raise TypeError(f"{context.asset_key.to_user_string()}: partition {key!r} is not a key of two dimensions")
        dimensions = dict(key.keys_by_dimension)
        concept = dimensions.pop("concept")
        found.append((concept, dimensions.popitem()[1]))
    return found


def _models_of(key: str) -> tuple[str]:
    return (_model_of(key),)


def _model_of(key: str) -> str:
    return key.split(":")[0]


def _check_keys(axis: str, keys: Sequence[str]) -> None:
    bad = [key for key in keys if not key or set(key) & set(FORBIDDEN)]
    if bad:
        raise ConfigError(f"study: {axis} key {bad[0]!r} is empty or holds one of {' '.join(FORBIDDEN)}; rename it")
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if list(keys).count(key) > 1)
        raise ConfigError(f"study: {axis} {twice!r} is listed twice; remove one")
    if not keys:
        raise ConfigError(f"study: there is no {axis}; the study file must name at least one")


def _children(parents: Sequence[str], children: Sequence[str], parents_of: Callable[[str], Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {key: [] for key in parents}
    for key in children:
        for parent in parents_of(key):
            if parent not in found:
                raise ConfigError(f"study: {key!r} belongs to {parent!r}, which the plan does not have")
            found[parent].append(key)
    return found


def _mapping(parent: str, child: str, children: Mapping[str, Sequence[str]]) -> dg.MultiPartitionMapping:
    with accepted_beta():
        return dg.MultiPartitionMapping(
            {
                "concept": dg.DimensionPartitionMapping("concept", dg.IdentityPartitionMapping()),
                parent: dg.DimensionPartitionMapping(child, dg.StaticPartitionMapping(children)),
            }
        )
