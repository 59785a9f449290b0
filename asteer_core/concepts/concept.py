"""A concept as one validated object: definition, prompting templates, and the frames of its four data files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asteer_core.concepts.rows import JUDGE, PAIRS, PROMPTS, REAL, read_rows
from asteer_core.errors import ConfigError, DataError, unknown_name
from asteer_core.paths import concept_roots, data_root, home
from asteer_core.types import check_name

FILES = ("concept.yaml", PAIRS.name, PROMPTS.name, JUDGE.name, REAL.name)
_NEEDED = {"detector_positives": (1,), "detector_negatives": (0,), "validation": (0, 1), "test": (0, 1)}


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


@dataclass(frozen=True)
class Concept:
    """A concept and its data. Frames: see `asteer_core.concepts.rows`. `fingerprint` changes with any byte of any file."""

    card: Card
    folder: Path
    pairs: pl.DataFrame
    prompts: pl.DataFrame
    judge: pl.DataFrame
    real: pl.DataFrame
    fingerprint: str

    @property
    def name(self) -> str:
        """The concept's name, as it stands in keys."""
        return self.card.name

    @property
    def templates(self) -> tuple[Template, ...]:
        """The system prompts of the prompting baseline."""
        return self.card.templates


Roots = Path | Sequence[Path] | None
"""Where concepts are looked for; None = those that ship and the user's own, `$ASTEER_HOME/concepts`."""


def list_concepts(root: Roots = None) -> list[str]:
    """Return the names of the concepts under `root`, sorted."""
    return sorted({path.parent.name for folder in _roots(root) for path in folder.glob("*/concept.yaml")})


def load_concept(name: str, root: Roots = None) -> Concept:
    """Return the concept `name` (a folder under one of the roots, or a path to a folder), read and validated.

    Raises:
        ConfigError: no concept of that name (the nearest is suggested), or two of it.
        DataError: a file is missing or broken, a group crosses splits, or a needed split has no rows of some label.
    """
    folder = Path(name) if "/" in name else _find(check_name("concept", name), root)
    if not (folder / "concept.yaml").is_file():
        raise unknown_name("concept", name, list_concepts(root))
    card = _read_card(folder / "concept.yaml")
    if card.name != folder.name:
        raise DataError(f"{folder / 'concept.yaml'}: name {card.name!r} differs from its folder {folder.name!r}; make them the same")
    frames = {schema.name: read_rows(folder / schema.name, schema) for schema in (PAIRS, PROMPTS, JUDGE, REAL)}
    _refuse_crossing_groups(folder, frames)
    _refuse_missing_classes(folder, frames)
    digest = hashlib.sha256()
    for file in FILES:
        digest.update(file.encode() + (folder / file).read_bytes())
    return Concept(card, folder, *frames.values(), fingerprint=digest.hexdigest()[:16])


def _roots(root: Roots) -> Sequence[Path]:
    if root is None:
        return concept_roots(home(), data_root())
    return [root] if isinstance(root, Path) else root


def _find(name: str, root: Roots) -> Path:
    found = [folder / name for folder in _roots(root) if (folder / name / "concept.yaml").is_file()]
    if len(found) > 1:
        raise ConfigError(f"concept {name!r} stands in {' and in '.join(str(path) for path in found)}; rename one (folder and `name:`)")
    return found[0] if found else _roots(root)[0] / name


def _read_card(path: Path) -> Card:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        card = Card.model_validate(value)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise DataError(f"{path}: {faults}") from None
    check_name("concept", card.name)
    ids = [check_name("template", template.id) for template in card.templates]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: template id {repeated[0]!r} stands twice; ids must be unique")
    return card


def _refuse_crossing_groups(folder: Path, frames: dict[str, pl.DataFrame]) -> None:
    # Held-out pairs and extraction pairs are splits of their own: a separation measured on shared groups would flatter.
    all_rows = pl.concat(
        [frame.select(file=pl.lit(file), group="group", split="split") for file, frame in frames.items()],
    )
    crossing = all_rows.group_by("group").agg(pl.col("split").unique().sort()).filter(pl.col("split").list.len() > 1).sort("group")
    if crossing.height:
        first = crossing.row(0, named=True)
        raise DataError(
            f"{folder}: {crossing.height} groups stand in more than one split, such as {first['group']!r} in {', '.join(first['split'])}; "
            "assign every group of prompts to one split, or the detector is tested on what it was trained on"
        )


def _refuse_missing_classes(folder: Path, frames: dict[str, pl.DataFrame]) -> None:
    real, judge = frames[REAL.name], frames[JUDGE.name]
    for split, labels in _NEEDED.items():
        for label in labels:
            if real.filter((pl.col("split") == split) & (pl.col("label") == label)).is_empty():
                raise DataError(
                    f"{folder / REAL.name}: split {split!r} has no row with label {label}; detectors cannot be trained or tested without"
                )
    if judge["label"].n_unique() < 2:
        raise DataError(f"{folder / JUDGE.name}: all labels are {judge['label'][0]}; the judge needs violating and compliant rows")
    for split in PAIRS.splits:
        if frames[PAIRS.name].filter(pl.col("split") == split).is_empty():
            raise DataError(f"{folder / PAIRS.name}: no pairs in split {split!r}; put about a fifth of the groups there")
