"""What may stand under `judge` of a study file: a kind's name, or a mapping with its options beside the kind.

Not here: the kinds and their options (`asteer_core.judges`), what a kind is lent (`judge_tools.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError
from asteer_core.judges import DEFAULT, JUDGES, JudgeKind, choose_judge


class JudgeChoice(BaseModel):
    """The judge of a study.

    Attributes:
        kind: its name.
        options: of the kind; checked when the study is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = DEFAULT
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _options_beside_the_kind(cls, value: Any) -> Any:
        value = {"kind": value} if isinstance(value, str) else value
        if not isinstance(value, dict) or not isinstance(value.get("kind", DEFAULT), str):
            raise ValueError("expected a judge's name such as embedded, or {kind: logodds, model: NAME}")
        kind = value.get("kind", DEFAULT)
        options = {name: option for name, option in value.items() if name not in cls.model_fields} | (value.get("options") or {})
        try:
            choose_judge(kind, options)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return {"kind": kind, "options": options}

    @property
    def is_default(self) -> bool:
        """Whether it is the kind that judges where none is chosen."""
        return self.kind == DEFAULT

    def build(self) -> JudgeKind:
        """Return the kind with its options."""
        return choose_judge(self.kind, self.options)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return what may be written, not what it is read as: a name, or a mapping with the options of the kind."""
        mappings = []
        for name in JUDGES.names():
            options = JUDGES.get(name).model_json_schema()
            options.pop("title", None)
            # Only the default may go without its name.
            kind = {"const": name, "type": "string"} | ({"default": name} if name == DEFAULT else {})
            required = [*([] if name == DEFAULT else ["kind"]), *options.get("required", [])]
            mappings.append({**options, "title": name, "properties": {"kind": kind, **options["properties"]}, "required": required})
        return {"anyOf": [{"type": "string", "enum": JUDGES.names()}, *mappings], "title": "Judge"}


def read_judge(name_or_file: str | Path | dict[str, Any] | None) -> JudgeChoice:
    """Return the judge of a kind's name, a mapping, or a YAML file: one that holds the mapping, or a study file with a `judge`.

    Raises:
        ConfigError: no such kind or file, or a wrong option; the message names the file.
    """
    if isinstance(name_or_file, dict) or name_or_file is None:
        return _parsed(name_or_file or {}, "judge")
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        return _named(str(name_or_file))
    value = read_yaml(path, ConfigError)
    if isinstance(value, dict) and "judge" in value:
        value = value["judge"]
    elif isinstance(value, dict) and "concepts" in value:
        value = {}
    return _parsed(value, str(path))


def _named(kind: str) -> JudgeChoice:
    try:
        return _parsed(kind, "judge")
    except ConfigError as error:
        raise ConfigError(
            f"{error} A judge with options stands in a file: kind and options in judge.yaml, then --judge judge.yaml."
        ) from None


def check_asked_model(choice: JudgeChoice, study: str, steered: Collection[str], spec: Callable[[str], object]) -> None:
    """Raise where a judge asks a language model that cannot judge a study's replies.

    Args:
        steered: names of the models that the study steers. spec: returns a model's entry, or raises where there is none.

    Raises:
        ConfigError: no such model, or the study steers it.
    """
    name = choice.build().language_model()
    if name is None:
        return
    spec(name)
    if name in steered:
        raise ConfigError(
            f"study {study!r}: its judge asks {name!r}, which it steers too; a model is a poor judge of its own replies, so "
            "name another under judge.model"
        )


def _parsed(value: Any, where: str) -> JudgeChoice:
    from pydantic import ValidationError

    try:
        return JudgeChoice.model_validate(value)
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise ConfigError(f"{where}: {faults}" if where != "judge" else faults) from None
