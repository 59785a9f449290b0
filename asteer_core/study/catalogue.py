"""What a study is, as rows: its definition, concepts and models with their fingerprints; written when the warehouse is published."""

from pathlib import Path
from typing import Any

import polars as pl
import yaml

from asteer_core.errors import AsteerError
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.versions import asteer_version, library_versions
from asteer_core.warehouse import table
from asteer_core.warehouse.files import stamps


def write_catalogue(ws: Workspace) -> None:
    """Write `studies`, `concepts` and `models` of one study into its store.

    Raises:
        StoreError: the store cannot be written.
    """
    rows = {"studies": [_study(ws)], "concepts": [_concept(ws, name) for name in ws.plan.concepts], "models": _models(ws)}
    for name, values in rows.items():
        own = [{"study": ws.study.name, **value} for value in values]
        key = fingerprint([name, str(own)])
        # A file that says the same keeps its date, so that the warehouse is seen to be current.
        if ws.store.content_key(name) != key:
            ws.store.write(name, pl.DataFrame(own, schema=table(name).polars_schema), key)


def definition(ws: Workspace) -> str:
    """Return the study file of a study with every default written out."""
    return yaml.safe_dump(ws.study.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=100)


def _study(ws: Workspace) -> dict[str, Any]:
    versions = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    return {
        "description": ws.study.description,
        "definition": definition(ws),
        "headline_detector": ws.study.detectors.headline,
        "asteer_version": asteer_version(),
        "versions": versions,
    }


def _concept(ws: Workspace, name: str) -> dict[str, Any]:
    concept = ws.concept(name)
    sizes = {f"n_{part}": getattr(concept, part).height for part in ("pairs", "prompts", "judge", "real")}
    card = {"title": concept.card.title, "h": concept.card.h, "definition": concept.card.definition}
    return {"concept": name, **card, **sizes, "n_templates": len(concept.templates), "fingerprint": concept.fingerprint}


def _models(ws: Workspace) -> list[dict[str, Any]]:
    scorers = [ws.scorer_of(name) for name in ws.plan.models]
    present = dict.fromkeys([*ws.plan.models, *scorers])
    gone = [name for name in _with_results(ws) if name not in present]
    return [*[_model(ws, name) for name in present], *[_gone(ws, name) for name in gone]]


def _with_results(ws: Workspace) -> list[str]:
    """Return the models of which results are stored, sorted; the study may name them no longer."""
    return sorted({Path(file).stem.split("~")[0] for file in stamps(ws.store.root / "responses")})


def _gone(ws: Workspace, name: str) -> dict[str, Any]:
    known = name in ws.registry
    why = "the study no longer names it" if known else "no longer registered"
    row: dict[str, Any] = _model(ws, name) if known else dict.fromkeys(("source", "revision", "scorer", "description", "fingerprint"))
    return {**row, "model": name, "retired": True, "reason": f"{why}; its results are those of its last run"}


def _model(ws: Workspace, name: str) -> dict[str, Any]:
    spec = ws.spec(name)
    row: dict[str, Any] = {"model": name, **{field: getattr(spec, field) for field in ("source", "revision", "scorer", "description")}}
    row["retired"] = spec.retired
    try:
        return {**row, "fingerprint": ws.model_fingerprint(name), "reason": None}
    except AsteerError as error:
        # A hub that cannot be reached now does not spoil results that are stored.
        return {**row, "fingerprint": None, "reason": str(error)}
