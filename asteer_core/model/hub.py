"""Models that appear on a Hugging Face hub: those of an author or a collection, written as entries of a registry file of their own.

Torch-free. What does not belong here: fetching weights (`loading.py`), and how often to look (the orchestrator).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asteer_core.atomic import write_whole
from asteer_core.errors import ConfigError, ModelError
from asteer_core.model.available import HUB_FILE
from asteer_core.model.specs import read_entries

_HEADER = (
    "# Written by Asteer from {source}; do not edit: list a model in models.yaml to give it other settings, and it is left out here.\n"
)


@dataclass(frozen=True)
class HubSource:
    """Where models are looked for: `author:NAME` or `collection:OWNER/SLUG`."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> HubSource:
        """Return the source that a setting such as `author:acme` names.

        Raises:
            ConfigError: it is neither an author nor a collection.
        """
        kind, _, name = text.partition(":")
        if kind not in ("author", "collection") or not name or (kind == "collection") != ("/" in name):
            raise ConfigError(f"ASTEER_HUB={text!r}; expected author:NAME, or collection:OWNER/SLUG as in the collection's address")
        return cls(kind, name)


def list_hub(source: HubSource) -> list[dict[str, Any]]:
    """Return the entries of the text-generation models with safetensors that a source holds now, each pinned to its commit, by id.

    Raises:
        ModelError: the hub cannot be reached, or knows no such author or collection.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        if source.kind == "author":
            found = list(api.list_models(author=source.name, pipeline_tag="text-generation", full=True))
        else:
            items = api.get_collection(source.name).items
            found = [api.model_info(item.item_id) for item in items if item.item_type == "model"]
    except Exception as error:  # the hub client raises many kinds; all mean "not obtainable"
        raise ModelError(
            f"hub: {source.kind} {source.name!r} cannot be listed ({type(error).__name__}); check ASTEER_HUB and the connection"
        ) from error
    usable = [model for model in found if "safetensors" in (model.tags or []) and model.pipeline_tag in (None, "text-generation")]
    return [{"name": _name(model.id), "source": model.id, "revision": model.sha} for model in sorted(usable, key=lambda model: model.id)]


def merge(known: Iterable[Any], found: Iterable[dict[str, Any]], taken: Iterable[str]) -> list[dict[str, Any]]:
    """Return the new content of the file: what is on the hub, and what was and has gone, marked as retired.

    Args:
        known: the entries so far.
        found: what the hub has now.
        taken: sources that the user registers; they are left out.
    """
    skip = set(taken)
    now = {entry["source"]: entry for entry in found if entry["source"] not in skip}
    gone = [entry for entry in known if isinstance(entry, dict) and entry.get("source") not in now and entry.get("source") not in skip]
    return [*now.values(), *[{**entry, "retired": True} for entry in gone]]


def update(home: Path, source: HubSource, taken: Iterable[str]) -> bool:
    """Look at the hub and bring the registry file up to date; return whether it changed. What has gone from the hub stays in it, retired.

    Raises:
        ModelError: the hub cannot be listed; the file is as it was.
    """
    file = home / HUB_FILE
    known = read_entries(file) if file.is_file() else []
    wanted = merge(known, list_hub(source), taken)
    if wanted == known:
        return False
    text = _HEADER.format(source=f"{source.kind} {source.name}") + yaml.safe_dump(wanted, sort_keys=False)
    write_whole(file, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return True


def _name(model_id: str) -> str:
    """Return a registry name for a hub id: owner and name in lower case, other characters as hyphens."""
    return re.sub(r"\.{2,}", ".", re.sub(r"[^a-z0-9._-]+", "-", model_id.replace("/", ".").lower())).strip("-._")
