"""What every steering method has in common: its door, the result of a fit, checks of paired activations, additive edits.

No formula of a single method belongs here, and nothing that reads files or needs torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from asteer_core.errors import ConfigError, DataError
from asteer_core.methods._given import NOTHING, Given, Need, Options
from asteer_core.types import Add, Edit, Gate, Positions, SteeringVector

FLAT = 1e-7
"""Differences below this share of the activations' own size are float32 rounding, not signal."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a method found: `direction` (unit, float64 [d_model], towards violation), further arrays, facts for the metadata."""

    direction: np.ndarray
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """The door of a steering method. One object per method; it holds no state. `BaseMethod` answers most of it."""

    @property
    def name(self) -> str:
        """Name in the registry, in configuration keys and in artifacts."""
        ...

    @property
    def positions(self) -> Positions:
        """Token positions the activations must come from."""
        ...

    @property
    def description(self) -> str:
        """One line for tables and the command line."""
        ...

    @property
    def source(self) -> str:
        """Paper the method comes from."""
        ...

    @property
    def max_strength(self) -> float:
        """End of the dial: a search for a strength goes no further."""
        ...

    @property
    def min_pairs(self) -> int:
        """Fewest finite pairs that a fit accepts."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What a fit must be given beside the pairs."""
        ...

    @property
    def options(self) -> type[Options]:
        """What a study may set."""
        ...

    @property
    def has_dial(self) -> bool:
        """Whether there is a strength. Where there is none, a study gives none."""
        ...

    @property
    def has_gate(self) -> bool:
        """Whether it decides row by row."""
        ...

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the direction of violation from paired activations [pair, d_model]."""
        ...

    def check_strength(self, strength: float | None) -> None:
        """Raise ConfigError where `strength` is outside the method's dial (None: the study gives none)."""
        ...

    def edits(self, vector: SteeringVector, strength: float | None) -> tuple[Edit, ...]:
        """Return the edits at this strength; none at strength 0."""
        ...

    def gate(self, vector: SteeringVector) -> Gate | None:
        """Return what decides row by row whether the edits act (None: they act on every row)."""
        ...


class BaseMethod:
    """What a method is unless it says otherwise: it has a dial, no options, and needs nothing but pairs."""

    name: str
    positions: Positions = "mean"
    description: str
    source: str
    max_strength: float = 10.0
    min_pairs: int = 2
    needs: frozenset[Need] = frozenset()
    options: type[Options] = Options
    has_dial: bool = True
    has_gate: bool = False

    def dial(self, strength: float | None) -> float:
        """Return the strength as a number.

        Raises:
            ConfigError: None, NaN or infinite.
        """
        if strength is None:
            raise ConfigError(f"method {self.name!r} has a strength, but none is given; add `strengths: [...]` to its entry")
        if not math.isfinite(strength):
            raise ConfigError(f"method {self.name!r}: strength {strength} is not finite; give a share of the residual norm such as 0.5")
        return float(strength)

    def check_strength(self, strength: float | None) -> None:
        """Accept any finite strength, in units of the median residual norm; negative values push away from violation.

        Raises:
            ConfigError: none is given, NaN or infinite.
        """
        self.dial(strength)

    def gate(self, vector: SteeringVector) -> Gate | None:
        """Return None: the edits act on every row."""
        return None


class AdditiveMethod(BaseMethod):
    """A method that adds `strength * scale * direction` to the block output. Subclasses give attributes and `fit`."""

    def edits(self, vector: SteeringVector, strength: float | None) -> tuple[Edit, ...]:
        """Return one addition of norm |strength| * scale, or nothing at strength 0.

        Raises:
            ConfigError: the strength is missing or not finite.
        """
        amount = self.dial(strength)
        if amount == 0:
            return ()
        push = amount * vector.scale * vector.direction.astype(np.float64)
        return (Add(vector.block, push.astype(np.float32)),)


def paired(positive: np.ndarray, negative: np.ndarray, *, method: str, min_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both arrays as float64 [pair, d_model] after checking that row i of each can be one contrastive pair.

    Raises:
        DataError: other shapes, too few pairs, a value that is not finite, or positives identical to negatives.
    """
    positive, negative = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if positive.ndim != 2 or positive.shape != negative.shape:
        raise DataError(
            f"method {method!r}: positive has shape {positive.shape} but negative has {negative.shape}; "
            "both must be [pair, d_model], and row i of both must come from the same contrastive pair"
        )
    if len(positive) < min_pairs or positive.shape[1] == 0:
        raise DataError(f"method {method!r} needs at least {min_pairs} pairs of non-empty activations; got shape {positive.shape}")
    bad = np.flatnonzero(~(np.isfinite(positive).all(axis=1) & np.isfinite(negative).all(axis=1)))
    if bad.size:
        raise DataError(
            f"method {method!r}: {bad.size} of {len(positive)} pairs hold NaN or infinity (first rows {bad[:5].tolist()}); "
            "drop them or capture the activations in float32"
        )
    if np.abs(positive - negative).max() <= FLAT * max(np.abs(positive).max(), np.abs(negative).max()):
        raise DataError(
            f"method {method!r}: positive and negative activations are identical in all {len(positive)} pairs, so they hold no direction; "
            "check that the two completions differ and that the captured positions include them"
        )
    return positive, negative


def unit(direction: np.ndarray, *, method: str, what: str, floor: float = 0.0) -> np.ndarray:
    """Return `direction` at norm 1.

    Raises:
        DataError: its norm is not above `floor`, so that the direction would be rounding noise.
    """
    norm = float(np.linalg.norm(direction))
    if not norm > floor:
        raise DataError(
            f"method {method!r}: the {what} has norm {norm:.3g}, so it has no direction; the pairs cancel out or repeat one another"
        )
    return direction / norm


def mean_difference(positive: np.ndarray, negative: np.ndarray, *, method: str) -> np.ndarray:
    """Return the unit mean of positive minus negative, float64 [d_model].

    Raises:
        DataError: the pairs cancel out.
    """
    size = max(float(np.abs(positive).max()), float(np.abs(negative).max()))
    return unit((positive - negative).mean(axis=0), method=method, what="mean difference", floor=FLAT * size)
