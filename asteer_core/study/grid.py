"""What a study runs, as entries of its file: one method at its layers and strengths, or several vectors in one configuration.

What may stand under `layers` and `strengths` is in `dials.py`; what a method makes of its options is the method's.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from asteer_core.study.dials import Layers, Strengths
from asteer_core.types import BASELINES, check_name

RESERVED = (*BASELINES, "random")


class Section(BaseModel):
    """A mapping of the study file: no key beyond those it declares, and no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dial(Section):
    """Every layer at every strength. `layers` may differ by model; `dials` says what may stand in both."""

    layers: Layers
    strengths: Strengths

    @property
    def differs_by_model(self) -> bool:
        """Whether `layers` is a mapping from models."""
        return isinstance(self.layers, dict) and not isinstance(self.layers.get("auto"), int)

    def layers_of(self, model: str) -> Any:
        """Return what stands under `layers` for `model`."""
        return self.layers[model] if self.differs_by_model else self.layers


class Grid(Dial):
    """The configurations of one method.

    `strengths` is absent where the method has no dial. `options` are the method's own. `name` stands in keys and tables in the place of
    the method, so that one method may be run with several options.
    """

    method: str
    name: str | None = None
    strengths: Strengths | None = None
    options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """What keys and tables call the entry."""
        return self.name or self.method


class Part(Section):
    """One vector of a combination: a method, or the name of a grid entry, at one or several layers.

    Its strength is the combination's times `weight`.
    """

    method: str
    layers: Layers
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    @property
    def differs_by_model(self) -> bool:
        """Whether `layers` is a mapping from models."""
        return isinstance(self.layers, dict)

    def layers_of(self, model: str) -> Any:
        """Return what stands under `layers` for `model`."""
        return self.layers[model] if isinstance(self.layers, dict) else self.layers


class Combination(Section):
    """Several vectors in one configuration, at every strength. `strengths` is absent where no part has a dial."""

    name: str
    parts: Annotated[list[Part], Field(min_length=1)]
    strengths: Strengths | None = None


def check_labels(grid: list[Grid], combinations: list[Combination]) -> None:
    """Raise unless every name stands for one thing.

    Raises:
        ValueError: a name is a baseline's, or stands for two methods, two sets of options, or a combination and something else; or a
            combination leaves a layer or a strength to be found.
    """
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    for entry in grid:
        check_name("grid entry", entry.label)
        if entry.name in RESERVED:
            raise ValueError(f"grid entry {entry.name!r} has the name of a baseline; choose another")
        if seen.setdefault(entry.label, (entry.method, entry.options)) != (entry.method, entry.options):
            raise ValueError(f"two grid entries are called {entry.label!r} but differ in method or options; give one a `name:` of its own")
    for found in combinations:
        check_name("combination", found.name)
        if found.name in RESERVED or found.name in seen:
            raise ValueError(f"combination {found.name!r} has the name of a baseline or grid entry; choose another")
        seen[found.name] = ("", {})
        if isinstance(found.strengths, dict):
            raise ValueError(f"combination {found.name!r}: a KL target is searched for one vector alone; give numbers under `strengths`")
        if any("auto" in part.layers for part in found.parts if isinstance(part.layers, dict)):
            raise ValueError(f"combination {found.name!r}: blocks are ranked for one vector alone; name blocks or shares of the depth")
