"""The card of a concept, `concept.yaml`: definition, rubric, examples, prompting templates, and the real data sets it names."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError, DataError
from asteer_core.types import check_name


class Template(BaseModel):
    """One system prompt of the prompting baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    level: Literal["mild", "strong"]
    system: str = Field(min_length=1)


class Examples(BaseModel):
    """Texts that show where the line runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    violating: tuple[str, ...] = ()
    near_miss: tuple[str, ...] = ()


class Card(BaseModel):
    """The contents of `concept.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    title: str
    h: Literal["harmless", "honest", "helpful"]
    definition: str
    rubric: str
    examples: Examples = Examples()
    templates: tuple[Template, ...] = Field(min_length=1)
    real: tuple[Any, ...] = ()
    """Real data sets beside `real.jsonl`: names of recipes, recipes with overrides, or descriptions (`asteer_core.datasets`)."""


def read_card(path: Path) -> Card:
    """Return the validated contents of `concept.yaml`.

    Raises:
        DataError: not UTF-8, not YAML, an unknown key, a wrong value, or a template id twice.
    """
    value = read_yaml(path, DataError)
    try:
        card = Card.model_validate(value)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise DataError(f"{path}: {faults}") from None
    try:
        check_name("concept", card.name)
        ids = [check_name("template", template.id) for template in card.templates]
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: template id {repeated[0]!r} stands twice; ids must be unique")
    return card
