"""What a fit is given beside the pairs, and the options a study sets: as data, so that no method knows where they come from.

The study's vectors stage provides exactly what a method names in `needs`. No formula belongs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from asteer_core.errors import ConfigError, DataError, unknown_name
from asteer_core.types import TrainedVector

Need = Literal["candidates", "tuning", "heads", "prompts", "training", "files"]
"""`candidates`: mean differences of all blocks. `tuning`: held-out pairs for choices (the other half stays evidence). `heads`: the same
pairs at the attention heads. `prompts`: prompts of the concept and others. `training`: a vector trained with the model's loss. `files`:
the files that an option names."""

Sides = tuple[np.ndarray, np.ndarray]
"""(violating, compliant), row i of both from one pair."""


class Options(BaseModel):
    """The options of a method; the base has none. A subclass gives each a type, a range and a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self, model: str, block: int) -> tuple[str, ...]:
        """Return the paths that a fit at one block reads, as the study writes them."""
        return ()


@dataclass(frozen=True, slots=True)
class HeadPairs:
    """The pairs at the heads of one block, float32 [pair, head, dim].

    `writing` [d_model, head * dim] says what each coordinate adds to the stream.
    """

    train: Sides
    tuning: Sides
    writing: np.ndarray


@dataclass(frozen=True, slots=True)
class PromptSets:
    """Mean prompt activations at one block, [prompt, d_model]: of the concept's own prompts and of others, to fit and to tune on."""

    own: np.ndarray
    other: np.ndarray
    tuning_own: np.ndarray
    tuning_other: np.ndarray


class Trainer(Protocol):
    """Trains a vector added at the block on the violating completions; learning rate and decay are relative to the residual norm."""

    def __call__(
        self, *, epochs: int, batch_size: int, learning_rate: float, weight_decay: float, patience: int, rng: np.random.Generator
    ) -> TrainedVector:
        """Return the vector of the epoch with the lowest held-out loss."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """Where a fit happens, on which weights, the options (None: defaults), and what the method named in `needs`."""

    block: int = 0
    model: str = ""
    weights: str | None = None
    options: Options | None = None
    candidates: np.ndarray | None = None
    tuning: Sides | None = None
    heads: HeadPairs | None = None
    prompts: Mapping[int, PromptSets] = field(default_factory=dict)
    train: Trainer | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


NOTHING = Given()

Kind = TypeVar("Kind", bound=Options)
Thing = TypeVar("Thing")


def options_of(given: Given, kind: type[Kind]) -> Kind:
    """Return the options in `given`, or the defaults of `kind`."""
    return given.options if isinstance(given.options, kind) else kind()


def provided(thing: Thing | None, *, method: str, need: Need) -> Thing:
    """Return what a method needs.

    Raises:
        DataError: it was not given.
    """
    if thing is None:
        raise DataError(f"method {method!r} needs {need!r} beside the pairs, and got none; fit it through a study, or pass it in `given`")
    return thing


def parse_options(method: str, kind: type[Options], value: Mapping[str, Any]) -> Options:
    """Return the options that a study gives to a method.

    Raises:
        ConfigError: an unknown option (the nearest is suggested), a missing one, or a value out of range.
    """
    for name in value:
        if name not in kind.model_fields:
            if not kind.model_fields:
                raise ConfigError(f"method {method!r} has no options, got {name!r}; remove `options`")
            raise unknown_name(f"option of method {method!r}", str(name), kind.model_fields)
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        faults = "; ".join(f"option {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"method {method!r}: {faults}") from None
