"""Which models there are: those that ship, those the home lists or found on a hub, and the folders under the home's `models/`.

Torch-free. What does not belong here: what an entry may say (`specs.py`), what identifies weights (`fingerprints.py`), loading.

One broken entry or folder takes nothing else with it: it becomes a problem, which is raised when somebody asks for that model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asteer_core.errors import ConfigError, unknown_name
from asteer_core.model.specs import ModelSpec, check_scorer, load_registry, parse_entry, read_entries
from asteer_core.types import check_name

FILE = "models.yaml"
HUB_FILE = "hub-models.yaml"
"""Kept by the watch on a hub (`hub.py`), in the format of the other."""
FOLDER = "models"


@dataclass(frozen=True)
class Available:
    """The models that may be named.

    Attributes:
        specs: usable models by name: shipped ones, then the home's file, then its folders by name.
        problems: what is wrong, by the name of the model or the path of the file that is broken.
    """

    specs: Mapping[str, ModelSpec]
    problems: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, kind: str = "model") -> ModelSpec:
        """Return a model's entry; `kind` is what errors call it.

        Raises:
            ConfigError: there is no such model (the nearest is suggested), or its entry is broken (the message says how).
        """
        if name in self.problems:
            raise ConfigError(self.problems[name])
        if name not in self.specs:
            error = unknown_name(kind, name, self.specs)
            broken = "".join(f" Not read: {problem}" for problem in self.problems.values())
            raise ConfigError(f"{error}{broken}")
        return self.specs[name]

    def scorer_of(self, name: str) -> str | None:
        """Return the name of the model that scores another's texts: the one it names, else the first other one; None where there is none.

        Raises:
            ConfigError: as `get`.
        """
        return self.get(name).scorer or next((other for other in self.specs if other != name), None)

    def current(self) -> list[str]:
        """Return the names of the models that are not retired; this is what `models: all` means."""
        return [name for name, spec in self.specs.items() if not spec.retired]


def available_models(home: Path, data_root: Path) -> Available:
    """Return the models that ship with those of a home beside them. A name in both is a problem of that name.

    Raises:
        ConfigError: the shipped registry is broken.
    """
    specs = load_registry(data_root / FILE)
    problems: dict[str, str] = {}
    own = _listed(home / FILE, problems)
    own |= _from_hub(home, own, problems)
    own |= {name: spec for name, spec in _folders(home, own, problems).items() if name not in problems}
    for name in own.keys() & specs.keys():
        problems[name] = (
            f"model {name!r} ships with asteer ({data_root / FILE}) and stands in {home} too; "
            "rename yours, so that results of one never pass for results of the other"
        )
    merged = specs | {name: spec for name, spec in own.items() if name not in problems}
    for name in own.keys() & merged.keys():
        try:
            check_scorer(merged[name], merged, str(home / FILE))
        except ConfigError as error:
            problems[name] = str(error)
    return Available({name: spec for name, spec in merged.items() if name not in problems}, problems)


def own_sources(home: Path, data_root: Path) -> set[str]:
    """Return the sources that ship or that the user lists by hand."""
    return {spec.source for spec in (*load_registry(data_root / FILE).values(), *_listed(home / FILE, {}).values())}


def _from_hub(home: Path, own: Mapping[str, ModelSpec], problems: dict[str, str]) -> dict[str, ModelSpec]:
    mine = {spec.source for spec in own.values()}
    return {name: spec for name, spec in _listed(home / HUB_FILE, problems).items() if spec.source not in mine and name not in own}


def _listed(file: Path, problems: dict[str, str]) -> dict[str, ModelSpec]:
    if not file.is_file():
        return {}
    found: dict[str, ModelSpec] = {}
    try:
        entries = read_entries(file)
    except (ConfigError, OSError) as error:
        problems[str(file)] = str(error)
        return {}
    for number, entry in enumerate(entries, start=1):
        where = f"{file}, entry {number}"
        try:
            spec = parse_entry(entry, where)
            if spec.name in found:
                raise ConfigError(f"{where}: the name {spec.name!r} is used by an earlier entry; rename one of them")
        except ConfigError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            problems[str(name or where)] = str(error)
            continue
        # Relative to this file, as the shipped entries are to theirs.
        folder = (file.parent / spec.source).resolve()
        found[spec.name] = spec.model_copy(update={"source": str(folder)}) if folder.is_dir() else spec
    return {name: spec for name, spec in found.items() if name not in problems}


def _folders(home: Path, listed: Mapping[str, ModelSpec], problems: dict[str, str]) -> dict[str, ModelSpec]:
    found = {}
    folder = home / FOLDER
    claimed = {Path(spec.source) for spec in listed.values()}
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    for path in paths:
        if path.resolve() in claimed or not is_complete(path):
            continue
        try:
            check_name("model", path.name)
        except ConfigError as error:
            problems[str(path)] = f"{path}: {error}; rename the folder, or list it in {home / FILE} under another name"
            continue
        if path.name in listed:
            problems[path.name] = f"model {path.name!r} is an entry of {home / FILE} with another source, and the folder {path}; rename one"
        found[path.name] = ModelSpec(name=path.name, source=str(path.resolve()), description=f"the folder {path}")
    return found


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds a whole model: config.json, and every safetensors file that its index (if any) names."""
    index = folder / "model.safetensors.index.json"
    if not (folder / "config.json").is_file():
        return False
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, OSError):  # half copied
        return False
    return all((folder / str(shard)).is_file() for shard in shards)
