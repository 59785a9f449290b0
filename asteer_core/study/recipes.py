"""What the names in a study's keys stand for: a method with its options, or a combination of several vectors.

Nothing is computed here, and no file is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asteer_core.errors import ConfigError
from asteer_core.methods import METHODS, Method, Options, parse_options
from asteer_core.study.dials import pushes
from asteer_core.study.grid import Combination
from asteer_core.study.plan import Depth, places_of
from asteer_core.study.study import Study
from asteer_core.types import Configuration


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One vector of a configuration: its key, the block, and by what the configuration's strength is multiplied."""

    vector_key: str
    method: Method
    layer: int | None
    weight: float = 1.0

    def strength(self, whole: float | None) -> float | None:
        """Return the vector's share of a configuration's strength; None where the method has no dial, or there is no strength."""
        return whole * self.weight if self.method.has_dial and whole is not None else None


def method_of(study: Study, vector_key: str) -> Method:
    """Return the method that a vector key (`model:label`) stands for.

    Raises:
        ConfigError: it is neither the label of a grid entry nor a method.
    """
    label = vector_key.split(":")[1]
    return METHODS.get(next((grid.method for grid in study.grid if grid.label == label), label))


def options_of(study: Study, vector_key: str) -> Options:
    """Return the options with which a vector is fitted.

    Raises:
        ConfigError: an option is unknown, missing or out of range.
    """
    label = vector_key.split(":")[1]
    method = method_of(study, vector_key)
    given: dict[str, Any] = next((grid.options for grid in study.grid if grid.label == label), {})
    return parse_options(method.name, method.options, given)


def ingredients(study: Study, configuration: Configuration, depth: Depth) -> list[Ingredient]:
    """Return the vectors that a configuration steers with, in the order in which they act.

    Args:
        study: the study that names them.
        configuration: its `layer` must be known, unless it is a combination.
        depth: model name -> number of blocks, asked for shares of the depth.
    """
    combination = next((found for found in study.combinations if found.name == configuration.method), None)
    if combination is None:
        key = configuration.vector_key
        return [Ingredient(key, method_of(study, key), configuration.layer)]
    found = []
    for part in combination.parts:
        key = f"{configuration.model}:{part.method}"
        method = method_of(study, key)
        found += [Ingredient(key, method, place.layer, part.weight) for place in places_of(part, configuration.model, depth)]
    return found


def check_methods(study: Study) -> None:
    """Raise unless every method, option and strength of a study can be meant.

    Raises:
        ConfigError: an unknown method, a wrong option, a strength outside a dial, where there is none, or missing; names the entry.
    """
    for grid in study.grid:
        if grid.name is not None and grid.name != grid.method and grid.name in METHODS.names():
            raise ConfigError(f"grid entry {grid.name!r} (method {grid.method!r}) has the name of another method; choose another name")
        key = f"any:{grid.label}"
        options_of(study, key)
        _check_strengths(f"grid entry {grid.label!r}", [(method_of(study, key), 1.0)], grid.strengths)
    for combination in study.combinations:
        _check_combination(study, combination)


def _check_combination(study: Study, combination: Combination) -> None:
    where = f"combination {combination.name!r}"
    if combination.name in METHODS.names():
        raise ConfigError(f"{where} has the name of a method; choose another name")
    parts = []
    for part in combination.parts:
        key = f"any:{part.method}"
        method = method_of(study, key)
        options_of(study, key)
        if method.has_gate:
            raise ConfigError(f"{where}: method {method.name!r} opens and closes whole rows, so it cannot be one part among others")
        parts.append((method, part.weight))
    _check_strengths(where, parts, combination.strengths)


def _check_strengths(where: str, parts: list[tuple[Method, float]], strengths: Any) -> None:
    dialled = [(method, weight) for method, weight in parts if method.has_dial]
    for push in pushes(strengths):
        if push.kl is not None:
            for method, _ in parts:
                if not method.has_dial:
                    method.check_strength(push.kl)
            continue
        # A strength that no part has is refused by the first of them, which knows why.
        for method, strength in _dials(dialled or parts[:1], push.strength):
            try:
                method.check_strength(strength)
            except ConfigError as error:
                raise ConfigError(f"{where}: {error}") from None


def _dials(parts: list[tuple[Method, float]], strength: float | None) -> Iterator[tuple[Method, float | None]]:
    for method, weight in parts:
        yield method, None if strength is None else strength * weight
