"""A concept as one validated object: definition, prompting templates, and the frames of its four data files."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from asteer_core.concepts.card import Card, Template, read_card
from asteer_core.concepts.pairs import read_pairs
from asteer_core.concepts.real import real_fingerprint, real_rows
from asteer_core.concepts.rows import JUDGE, PAIRS, PROMPTS, REAL, read_rows
from asteer_core.datasets import DatasetSpec, resolve
from asteer_core.errors import ConfigError, DataError, unknown_name
from asteer_core.paths import concept_roots, data_root, home
from asteer_core.types import check_name

FILES = (PAIRS.name, PROMPTS.name, JUDGE.name, REAL.name)


@dataclass(frozen=True)
class Concept:
    """A concept and its data. Frames: see `asteer_core.concepts.rows`.

    `own` holds the rows of `real.jsonl`, `datasets` what else is real; `real` is both. `fingerprint` changes with any file of the
    folder, and not with the data sets: another test set makes detectors stale, not corpora.
    """

    card: Card
    folder: Path
    pairs: pl.DataFrame
    prompts: pl.DataFrame
    judge: pl.DataFrame
    own: pl.DataFrame
    datasets: tuple[DatasetSpec, ...]
    cache: Path
    fingerprint: str

    @cached_property
    def real(self) -> pl.DataFrame:
        """The real labelled replies: rows of `real.jsonl` and of every data set, told apart by `source`; read on first use.

        Raises:
            DataError: a data set cannot be read, or a needed split has no rows of some label.
        """
        return real_rows(self.folder, self.own, self.datasets, self.cache)

    @cached_property
    def real_fingerprint(self) -> str:
        """Hash of everything `real` comes from.

        Raises:
            DataError: a file of a data set is missing or is not the one described.
        """
        return real_fingerprint(self.fingerprint, self.datasets)

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


def load_concept(name: str, root: Roots = None, cache: Path | None = None) -> Concept:
    """Return the concept `name` (a folder under one of the roots, or a path to a folder), validated; data sets are read on first use.

    Args:
        name: name or folder.
        root: where concepts are looked for.
        cache: folder where data sets are kept once read; default `cache/datasets` under `ASTEER_HOME`.

    Raises:
        ConfigError: no concept of that name (the nearest is suggested), or two of it.
        DataError: a file is missing or broken, a group crosses splits, or a needed split has no rows of some label.
    """
    folder = find_concept(name, root)
    card = read_card(folder / "concept.yaml")
    if card.name != folder.name:
        raise DataError(f"{folder / 'concept.yaml'}: name {card.name!r} differs from its folder {folder.name!r}; make them the same")
    datasets = tuple(resolve(entry, f"{folder / 'concept.yaml'}: real[{number}]", folder) for number, entry in enumerate(card.real))
    frames = {PAIRS.name: read_pairs(folder / PAIRS.name)}
    frames |= {schema.name: read_rows(folder / schema.name, schema) for schema in (PROMPTS, JUDGE)}
    # With data sets of its own a concept needs no file of real text.
    own_file = folder / REAL.name
    frames[REAL.name] = pl.DataFrame(schema=REAL.columns) if datasets and not own_file.exists() else read_rows(own_file, REAL)
    _refuse_crossing_groups(folder, frames)
    _refuse_missing_classes(folder, frames)
    concept = Concept(
        card, folder, *frames.values(), datasets=datasets, cache=cache or home() / "cache" / "datasets", fingerprint=_digest(card, folder)
    )
    if not datasets:
        _ = concept.real
    return concept


def find_concept(name: str, root: Roots = None) -> Path:
    """Return the folder of a concept; nothing but that `concept.yaml` is in it is checked.

    Raises:
        ConfigError: no concept of that name (the nearest is suggested), or two of it.
    """
    folder = Path(name) if "/" in name else _find(check_name("concept", name), root)
    if not (folder / "concept.yaml").is_file():
        raise unknown_name("concept", name, list_concepts(root))
    return folder


def _digest(card: Card, folder: Path) -> str:
    digest = hashlib.sha256(json.dumps(card.model_dump(mode="json", exclude={"real"}), sort_keys=True).encode())
    for file in FILES:
        path = folder / file
        digest.update(file.encode() + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()[:16]


def _roots(root: Roots) -> Sequence[Path]:
    if root is None:
        return concept_roots(home(), data_root())
    return [root] if isinstance(root, Path) else root


def _find(name: str, root: Roots) -> Path:
    found = [folder / name for folder in _roots(root) if (folder / name / "concept.yaml").is_file()]
    if len(found) > 1:
        raise ConfigError(f"concept {name!r} stands in {' and in '.join(str(path) for path in found)}; rename one (folder and `name:`)")
    return found[0] if found else _roots(root)[0] / name


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
    judge = frames[JUDGE.name]
    if judge["label"].n_unique() < 2:
        raise DataError(f"{folder / JUDGE.name}: all labels are {judge['label'][0]}; the judge needs violating and compliant rows")
    for split in PAIRS.splits:
        if frames[PAIRS.name].filter(pl.col("split") == split).is_empty():
            raise DataError(f"{folder / PAIRS.name}: no pairs in split {split!r}; put about a fifth of the groups there")
