"""The study behind a stored training set, kept beside it, so that an export needs no study file."""

from __future__ import annotations

from pathlib import Path

from asteer_core.errors import StoreError
from asteer_core.search import trial_store
from asteer_core.search.result import SUFFIX
from asteer_core.search.space import NAME
from asteer_core.study import Study, Workspace
from asteer_core.warehouse.files import folders, is_present, replace_file, stamps
from asteer_core.warehouse.places import studies
from asteer_core.warehouse.store import Store

KIND = "studies"


def remember_study(ws: Workspace, concept: str, model: str) -> None:
    """Store the study of a workspace beside the training set of a concept and model."""
    path = trial_store(ws).artifact(KIND, concept, model, ".json")
    replace_file(path, lambda temporary: temporary.write_text(ws.study.model_dump_json(), encoding="utf-8"))


def remembered_study(home: Path, name: str, concept: str, model: str) -> Study:
    """Return the study that a training set was made with.

    Raises:
        StoreError: no training set was made under that study's name; says which there are, and how to make one.
    """
    path = Store(studies(home) / f"{name}{SUFFIX}").artifact(KIND, concept, model, ".json")
    if not is_present(path):
        there = made_sets(home)
        raise StoreError(
            f"{home}: no training set for {concept!r} and {model!r} from study {name!r}; "
            + (f"there are {', '.join(there)}; " if there else "")
            + f"make one with: asteer optimise {concept} --model {model}{'' if name == NAME else f' --study {name}'}"
        )
    return Study.model_validate_json(path.read_text(encoding="utf-8"))


def made_sets(home: Path) -> list[str]:
    """Return every training set of a home in words: concept, model, and the study where it is not the one of `asteer optimise`."""
    found = []
    for folder in folders(studies(home)):
        study = folder.name.removesuffix(SUFFIX)
        for file in stamps(folder / "training_set") if folder.name.endswith(SUFFIX) else ():
            concept, model = file.removeprefix("concept=").removesuffix(".parquet").split("/")
            found.append(f"{concept} on {model}" + ("" if study == NAME else f" (--study {study})"))
    return found
