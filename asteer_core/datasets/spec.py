"""The description of one real data set, as it stands in a recipe or in `concept.yaml`, and what makes a description wrong.

Not here: reading files (`readers.py`), finding recipes (`recipes.py`).
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from asteer_core.types import check_name

Role = Literal["train", "validation", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "test")
"""What rows are for: detectors learn from `train`, are chosen on `validation` and reported on `test`."""

Kind = Literal["jsonl", "json", "csv", "parquet", "hf", "hf_local"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sql(_Part):
    """A value computed from a record by a Polars SQL expression."""

    sql: str = Field(min_length=1)


Value = str | Sql
"""The name of a column, or `{sql: ...}`."""


class Columns(_Part):
    """Where the parts of a row stand in a record. A `response` that is a list gives one row per element."""

    response: Value
    label: Value
    prompt: Value | None = None
    group: Value | None = None


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _label_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    for key in value:
        # YAML 1.1 reads yes, no, on and off as booleans, and a column of such words would silently match nothing.
        if isinstance(key, bool):
            raise ValueError(f"key {key} was read as a boolean; put the label in quotes, as in 'yes': 1 or 'true': 1")
    return {str(key): mapped for key, mapped in value.items()}


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Shares = dict[Role, Annotated[float, Field(gt=0, le=1)]]


class DatasetSpec(_Part):
    """One data set.

    Attributes:
        name: stands in the `source` column, keys and file names.
        kind: `jsonl`, `json` (one array), `csv`, `parquet`, `hf` (the Hugging Face hub), `hf_local` (a folder of `save_to_disk`).
        path: folder that `files` are relative to; for `hf_local` the saved folder. `~` and `$VARIABLES` are expanded.
        files: the data set's own split -> file names or patterns.
        hub, config, data_dir, revision: what `hf` loads; the revision is a commit, so that the data cannot change unseen.
        sha256: file name -> digest that the file must have.
        separator: column separator of `csv`.
        license: SPDX name or the words of the data set's card. `noncommercial` says that it forbids commercial use.
        allow_noncommercial: the user's word that the use is permitted.
        columns: one mapping of columns, or several where a record holds several replies. In SQL the column `own_split` holds the name
            of the data set's own split.
        where: SQL condition; records that do not meet it are dropped and counted.
        label_map: label as text -> 1 (violating), 0 (not) or null (dropped). Without it labels must be 0/1 or true/false.
        splits: own split -> role, or -> shares of roles by which whole groups are drawn.
        crossing: what happens to a group in two roles: an `error`, or `drop` it from the role farther from the test.
        use: roles that are used at all.
        take: role -> number of rows drawn from it.
        seed: decides which groups and rows are drawn.
    """

    name: str
    kind: Kind
    license: str = Field(min_length=1)
    columns: Annotated[tuple[Columns, ...], BeforeValidator(_listed), Field(min_length=1)]
    splits: Annotated[dict[str, Role | Shares], Field(min_length=1)]
    title: str = ""
    homepage: str = ""
    notes: str = ""
    path: str | None = None
    files: dict[str, Listed] = {}
    hub: str | None = None
    config: str | None = None
    data_dir: str | None = None
    revision: str | None = None
    sha256: dict[str, str] = {}
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    noncommercial: bool = False
    allow_noncommercial: bool = False
    where: str | None = None
    label_map: Annotated[dict[str, Literal[0, 1] | None], BeforeValidator(_label_keys)] = {}
    crossing: Literal["error", "drop"] = "error"
    use: Annotated[tuple[Role, ...], Field(min_length=1)] = ROLES
    take: dict[Role, Annotated[int, Field(ge=1)]] = {}
    seed: int = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_name("data set", self.name)
        for own, wanted in self.splits.items():
            if isinstance(wanted, dict) and sum(wanted.values()) > 1 + 1e-9:
                raise ValueError(f"splits.{own}: the shares add up to {sum(wanted.values()):g}; they may be 1 at most")
        if self.kind == "hf":
            self._need("hub")
        elif self.kind == "hf_local":
            self._need("path")
        else:
            self._need("files")
            missing = [own for own in self.splits if own not in self.files]
            if missing:
                raise ValueError(f"splits.{missing[0]}: no such key under files ({', '.join(self.files)})")
        unused = [role for role in self.take if role not in self.use]
        if unused:
            raise ValueError(f"take.{unused[0]}: the role is not under use ({', '.join(self.use)})")
        return self

    def _need(self, field: str) -> None:
        if not getattr(self, field):
            raise ValueError(f"{field}: missing; kind {self.kind!r} needs it")

    @property
    def forbids_commerce(self) -> bool:
        """Whether the licence forbids commercial use, by its own word or by its name."""
        named = re.search(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial", self.license.lower())
        return self.noncommercial or named is not None
