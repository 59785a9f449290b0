"""What a model is called, where it comes from and how it is loaded: the registry file `models.yaml`.

Torch-free, so that a study can be checked and planned without loading a model. What does not belong here: loading (`loading.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError, did_you_mean
from asteer_core.types import check_name


class ModelSpec(BaseModel):
    """One language model: name, source and how to load it.

    `source` is a folder (relative to the data folder, or absolute) or a Hugging Face hub id. `scorer` names the model that scores the
    coherence of what this one generates. `prompt_template` is a plain template with `{prompt}` and optionally `{system}`; given, it
    takes the place of the tokenizer's chat template. `engine` names what generates (`auto` knows). A `retired` model is left out of
    studies over `models: all`; what was made with it stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    scorer: str | None = None
    description: str = ""
    revision: str | None = None
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    device: str = "auto"
    device_map: str | None = None
    quantisation: Literal["8bit", "4bit"] | None = None
    trust_remote_code: bool = False
    engine: Literal["auto", "padded", "continuous"] = "auto"
    prompt_template: str | None = None
    retired: bool = False

    @field_validator("name")
    @classmethod
    def _partition_safe(cls, value: str) -> str:
        return check_name("model", value)

    @field_validator("dtype", mode="before")
    @classmethod
    def _short_dtype(cls, value: Any) -> Any:
        return {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(value, value) if isinstance(value, str) else value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        kind, _, index = value.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
            raise ValueError(f"{value!r} is not a device; use auto, cpu, cuda, cuda:N or mps")
        return value

    @field_validator("prompt_template")
    @classmethod
    def _has_prompt(cls, value: str | None) -> str | None:
        if value is not None and "{prompt}" not in value:
            raise ValueError("a prompt template must contain {prompt}")
        return value


def load_registry(path: str | Path) -> dict[str, ModelSpec]:
    """Return the models that a registry file lists, by name, in the order of the file.

    Raises:
        ConfigError: the file is missing or not a list of entries, an entry has an unknown key or a wrong value, or a name occurs twice.
    """
    file = Path(path)
    models: dict[str, ModelSpec] = {}
    for number, entry in enumerate(read_entries(file), start=1):
        spec = parse_entry(entry, f"{file}, entry {number}")
        if spec.name in models:
            raise ConfigError(
                f"{file}, entry {number} ({spec.name!r}): the name {spec.name!r} is used by an earlier entry; "
                "names must be unique, so rename one of them"
            )
        models[spec.name] = spec
    for spec in models.values():
        check_scorer(spec, models, str(file))
    return models


def read_entries(file: Path) -> list[Any]:
    """Return the unparsed entries of a registry file.

    Raises:
        ConfigError: it is missing, not YAML, or not a list.
    """
    if not file.exists():
        raise ConfigError(f"{file}: no such model registry; create it as a YAML list of models with name and source")
    content = read_yaml(file, ConfigError)
    if not isinstance(content, list):
        raise ConfigError(f"{file}: got {type(content).__name__}; expected a YAML list of models, each with name and source")
    return content


def parse_entry(entry: Any, where: str) -> ModelSpec:
    """Return the model that one entry describes; `where` stands in errors.

    Raises:
        ConfigError: it is no mapping, has an unknown key (the nearest is suggested), or a wrong value.
    """
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: got {type(entry).__name__} {entry!r}; expected a mapping with at least name and source")
    where += f" ({entry.get('name', 'no name')!r})"
    known = list(ModelSpec.model_fields)
    for key in entry:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}.{did_you_mean(key, known)} Known keys: {', '.join(known)}.")
    try:
        return ModelSpec.model_validate(entry)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'entry'}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{where}: {problems}") from None
    except ConfigError as error:  # of a name, which does not know the file
        raise ConfigError(f"{where}: {error}") from None


def check_scorer(spec: ModelSpec, models: Mapping[str, ModelSpec], where: str) -> None:
    """Raise unless the scorer that `spec` names is another one of `models`.

    Raises:
        ConfigError: it is unknown (the nearest is suggested), or the model itself.
    """
    if spec.scorer is not None and spec.scorer not in models:
        hint = did_you_mean(spec.scorer, models)
        raise ConfigError(f"{where}, model {spec.name!r}: unknown scorer {spec.scorer!r}.{hint} Models: {', '.join(models)}.")
    if spec.scorer == spec.name:
        raise ConfigError(f"{where}, model {spec.name!r}: scorer is the model itself; coherence must be scored by another model")
