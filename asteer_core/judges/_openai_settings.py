"""The settings of the `openai` judge, as they stand in a study file. Not here: anything that acts on them (`openai.py`)."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from asteer_core.errors import ConfigError
from asteer_core.judges._budget import Price
from asteer_core.judges._endpoint import check_address

_TAKEN = {"messages", "model", "n", "stream", "tools"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class OpenAISettings(BaseModel):
    """Where and how to ask. The key is never here: `key_env` names the environment variable that holds it (null: no key needed).

    `input_price` and `output_price` are dollars per million tokens, `budget` dollars, `max_calls` a number of calls, both over the life
    of the judge. `parameters` go into each request as they are; null removes one (`{temperature: null}` for models that refuse it).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    model: str = Field(min_length=1)
    key_env: str | None = "OPENAI_API_KEY"
    concurrency: int = Field(4, ge=1, le=64)
    timeout: float = Field(60.0, gt=0, le=3600)
    retries: int = Field(5, ge=0, le=20)
    input_price: float | None = Field(None, ge=0)
    output_price: float | None = Field(None, ge=0)
    budget: float | None = Field(None, ge=0)
    max_calls: int | None = Field(None, ge=0)
    reply_format: Literal["json_object", "text"] = "json_object"
    max_tokens: int = Field(100, ge=20)
    parameters: dict[str, Any] = {}

    @field_validator("parameters")
    @classmethod
    def _leaves_the_question(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(value.keys() & _TAKEN):
            raise ValueError(f"{', '.join(taken)} cannot be set here")
        return value

    @field_validator("key_env")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        # A key that was pasted here would be stored with the study and quoted by whoever misses the variable.
        if value is not None and not _VARIABLE.fullmatch(value):
            raise ValueError("expected the name of an environment variable, such as OPENAI_API_KEY, and never the key itself")
        return value

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        try:
            check_address(self.base_url, self.key_env)
            Price(self.input_price, self.output_price).check(self.budget)
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("judge: ")) from None
        return self

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the settings in a mapping.

        Raises:
            ConfigError: a key is unknown or missing, or a value is wrong; values are not quoted, one may be a key.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in error.errors())
            raise ConfigError(f"judge 'openai': {problems}") from None
