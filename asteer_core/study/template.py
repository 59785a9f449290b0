"""A study file to start from: every key with what it means, filled from a preset; and the JSON schema that editors use.

What does not belong here: validation (`study.py`).
"""

from pathlib import Path
from typing import Any

import yaml

from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError
from asteer_core.paths import data_root
from asteer_core.study.study import Study, list_presets, load_study
from asteer_core.types import check_name

SCHEMA_FILE = "schemas/study.json"

_NOTES = {
    "name": "Results are kept under this name in ASTEER_HOME/studies/.",
    "description": "One line for `asteer study list`.",
    "concepts": "What is to be detected: `asteer concepts list`, or a concept of your own.",
    "models": "Which models are steered: `asteer models list`; `all` takes in models that arrive later.",
    "grid": (
        "Method x layers x strengths. Layers: block numbers, a mapping from models, shares of the depth ['50%'], or auto.\n"
        "# Strengths: shares of the residual stream's norm (angular: of the way to the direction), or {kl: [0.3, 1.0]} in nats per token."
    ),
    "combinations": "Several vectors in one configuration: [{name, parts: [{method, layers, weight}], strengths}].",
    "controls": "What runs beside the methods: random directions of the same size, and how many prompting templates.",
    "sampling": "How tokens are drawn.",
    "size": "Prompts per corpus, and samples per prompt.",
    "selection": "How `auto` layers and KL targets are searched, and which vectors are flagged as weak.",
    "judge": (
        "Who says whether a reply violates: embedded (the default), {kind: logodds, model: ...}, {kind: guard, source: ...,\n"
        "# violating: [...]}, or {kind: openai, base_url: ..., model: ..., budget: ...}; `asteer judge check` tries one on labelled rows."
    ),
    "metrics": "m: texts per subsample of the diversity metrics; tau: how fast coherence falls with fluency.",
    "detectors": "Kinds (the first is the headline), training seeds, bootstrap resamples.",
    "seed": "Of everything that is drawn.",
}


def study_template(preset: str, name: str) -> str:
    """Return a commented study file with the values of a preset under a name of its own.

    Raises:
        ConfigError: no such preset, or the name cannot be a key.
    """
    check_name("study", name)
    if name in list_presets():
        raise ConfigError(f"{name!r} is the name of a preset; results would mix, so choose another name")
    values = {**_values(load_study(preset)), "name": name, "description": f"like {preset}"}
    known = list(Study.model_fields)
    lines = [f"# yaml-language-server: $schema={(data_root() / SCHEMA_FILE).as_uri()}", f"# Begun from the preset {preset}."]
    for key in known:
        note = _NOTES.get(key)
        lines += [f"# {note}"] if note else []
        if key in values:
            # A mapping of one plain value would be written in braces.
            flow = None if isinstance(values[key], dict | list) else False
            lines.append(
                yaml.safe_dump({key: values[key]}, sort_keys=False, allow_unicode=True, width=140, default_flow_style=flow).rstrip()
            )
        else:
            lines.append(f"# {key}: (default)")
        lines.append("")
    return "\n".join(lines)


def write_template(path: Path, preset: str) -> Path:
    """Write a commented study file, named after the file, and return its path.

    Raises:
        ConfigError: it exists already, cannot be written, or no such preset.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{path}: a study file ends in .yaml; did you mean {path.name}.yaml?")
    if path.exists():
        raise ConfigError(f"{path} exists already; choose another name, nothing is overwritten")
    text = study_template(preset, path.stem)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from None
    return path


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a study file, for editors that complete and check YAML."""
    schema = Study.model_json_schema()
    for key, note in _NOTES.items():
        schema["properties"][key]["description"] = note.replace("\n#", "")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _values(study: Study) -> dict[str, Any]:
    """Return what the preset says, without what it leaves to defaults."""
    path = data_root() / "presets" / f"{study.name}.yaml"
    return read_yaml(path, ConfigError)
