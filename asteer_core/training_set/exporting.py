"""A training set on disk: the chosen formats, the data card, the exact configuration and lock, all or nothing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from asteer_core.errors import ConfigError, StoreError, unknown_name
from asteer_core.search import trial_store
from asteer_core.study import Workspace
from asteer_core.training_set.card import UNKNOWN, data_card
from asteer_core.training_set.composing import TrainingSet
from asteer_core.training_set.formats import FORMATS
from asteer_core.warehouse.files import is_present


def export(
    ws: Workspace, made: TrainingSet, out: Path, formats: Sequence[str], licence: str | None = None, overwrite: bool = False
) -> list[Path]:
    """Write the set into the new folder `out` and return its files; either all of them are there or `out` is as it was.

    Args:
        formats: names of `FORMATS`.
        licence: licence of the generator; None = what its model card says.
        overwrite: replace `out` where it is an earlier export.

    Raises:
        ConfigError: an unknown format, or `out` exists (and is no earlier export, or `overwrite` is off).
        StoreError: the folder cannot be written.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
    if not formats:
        raise ConfigError(f"no format; name at least one of {', '.join(FORMATS)}")
    _check_free(out, overwrite)
    building = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        building.mkdir(parents=True)
        files = {name: [path.name for path in FORMATS[name](made.rows, building)] for name in dict.fromkeys(formats)}
        licence = licence or generator_licence(ws, made.model)
        (building / "README.md").write_text(data_card(ws, made, licence, files, _recipe(made)), encoding="utf-8")
        (building / "provenance.json").write_text(json.dumps(provenance(ws, made), indent=1, default=str), encoding="utf-8")
        (building / "lock.txt").write_text(lock(), encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        building.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error}); choose a folder that can") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return sorted(path for path in out.iterdir())


PRIVATE = ("base_url", "key_env")
"""Options of a judge that say where it is asked and not what it answers; an export may go to people who must not know."""


def provenance(ws: Workspace, made: TrainingSet) -> dict[str, Any]:
    """Return everything the set was made from: study, search, configurations, fingerprints, content keys."""
    store, cell = trial_store(ws), (made.concept, made.model)
    facts = ("configuration_id", "model", "method", "layer", "strength", "temperature", "top_p", "seed")
    study = ws.study.model_dump(mode="json")
    for name in PRIVATE:
        study["judge"]["options"].pop(name, None)
    used = made.rows.filter(pl.col("label") == 1).select(facts).unique(maintain_order=True)
    return {
        "concept": made.concept,
        "concept_fingerprint": ws.concept(made.concept).fingerprint,
        "model": ws.spec(made.model).model_dump(),
        "model_fingerprint": ws.model_fingerprint(made.model),
        "scorer": ws.scorer_of(made.model),
        "study": study,
        "configurations": used.to_dicts(),
        "trials": store.read("trials", *cell).to_dicts() if is_present(store.path("trials", *cell)) else [],
        "content_keys": {table: store.content_key(table, *cell) for table in ("trials", "training_set", "training_set_steps")},
        "recipes": made.steps.to_dicts(),
        "dropped": made.dropped,
    }


def lock() -> str:
    """Return the installed packages as requirement lines, sorted."""
    names = {f"{one.metadata['Name']}=={one.version}" for one in distributions() if one.metadata["Name"]}
    return "\n".join(sorted(names, key=str.casefold)) + "\n"


def generator_licence(ws: Workspace, model: str) -> str:
    """Return the licence that the model card beside a local model names; `unknown` for models of the hub and cards without one."""
    card = ws.data_root / ws.spec(model).source / "README.md"
    if not card.is_file():
        return UNKNOWN
    parts = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
    try:
        front = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return UNKNOWN
    value = front.get("license") if isinstance(front, dict) else None
    return value if isinstance(value, str) and value else UNKNOWN


def _recipe(made: TrainingSet) -> str:
    return str(made.steps.filter(pl.col("chosen"))["recipe"][0])


def _check_free(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; name a folder that does not exist yet")
    if not overwrite:
        raise ConfigError(f"{out}: exists already; name another folder, or pass --overwrite to replace an earlier export")
    if not (out / "provenance.json").is_file():
        raise ConfigError(f"{out}: is no earlier export (it holds no provenance.json), so it is not replaced; name another folder")
