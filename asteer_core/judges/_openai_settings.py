"""The settings of the `openai` judge, as they stand in a study file. Not here: anything that acts on them (`openai.py`)."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from asteer_core.errors import ConfigError

_TAKEN = {"messages", "model", "n", "stream", "tools"}


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
