"""What may stand under `detectors.kinds` of a study file: a kind's name, or a mapping with its options beside the name.

Not here: the kinds and their options (`asteer_core.detectors`).
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from asteer_core.detectors import Kind, choose_kind
from asteer_core.errors import ConfigError
from asteer_core.types import check_name


class KindChoice(BaseModel):
    """One detector kind of a study.

    Attributes:
        kind: name of the kind.
        name: what the results call it, when a study has one kind twice; else the kind.
        seeds: training seeds of this kind; None = those of the study.
        options: of the kind; checked when the study is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str
    seeds: Annotated[int, Field(ge=1)] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def build(self) -> Kind:
        """Return the kind with its options."""
        return choose_kind(self.kind, self.options)


def _choice(value: Any) -> Any:
    if isinstance(value, KindChoice):
        return value
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError(f"{value!r} is no detector kind; write a name such as embedding, or {{kind: encoder, epochs: 3}}")
    options = {name: option for name, option in value.items() if name not in KindChoice.model_fields}
    options |= value.get("options") or {}
    try:
        choose_kind(value["kind"], options)
        name = check_name("detector", str(value.get("name", value["kind"])))
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return {"kind": value["kind"], "name": name, "seeds": value.get("seeds"), "options": options}


def _choices(values: Any) -> Any:
    values = [values] if isinstance(values, (str, dict)) else values
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"{values!r}; expected a list of detector kinds")
    found = [_choice(value) for value in values]
    names = [one.name if isinstance(one, KindChoice) else one["name"] for one in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands twice; give one of them a `name:` of its own")
    return found


# What may be written, not what it is read as: a name, or a mapping whose other keys are options of the kind.
_KIND_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"kind": {"type": "string"}, "name": {"type": "string"}, "seeds": {"type": "integer", "minimum": 1}},
            "required": ["kind"],
        },
    ]
}
_KINDS_SCHEMA = {"anyOf": [*_KIND_SCHEMA["anyOf"], {"type": "array", "items": _KIND_SCHEMA, "minItems": 1}]}

Kinds = Annotated[tuple[KindChoice, ...], Field(min_length=1), BeforeValidator(_choices), WithJsonSchema(_KINDS_SCHEMA)]
