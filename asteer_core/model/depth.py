"""How many blocks a model has and of what architecture it is, read from its `config.json` without loading it.

Torch-free, so that a share of the depth can stand in a study that is only planned. What does not belong here: finding the blocks of a
loaded model (`blocks.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asteer_core.errors import ModelError
from asteer_core.model.specs import ModelSpec

_NAMES = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers")
_INNER = ("text_config", "llm_config", "language_config")
"""Where models that also read images keep the configuration of their language model."""
_REMEDY = "name blocks by number in the study's layers"


def read_depth(spec: ModelSpec, data_root: str | Path) -> int:
    """Return the number of decoder blocks that a model's configuration names.

    A folder's `config.json` is read; that of a hub model is fetched (a few kB) or found in the cache.

    Raises:
        ModelError: the configuration cannot be obtained or read, or names no depth; the message says what to do.
    """
    file, content = _read(spec, Path(data_root))
    depth = _depth(content)
    if depth is None:
        raise ModelError(f"model {spec.name!r}: {file} names no depth (none of {', '.join(_NAMES)}); {_REMEDY}")
    return depth


def read_architecture(spec: ModelSpec, data_root: str | Path) -> str | None:
    """Return the `model_type` that a model's configuration names, such as `llama`; None where it names none.

    Raises:
        ModelError: the configuration cannot be obtained or read.
    """
    content = _read(spec, Path(data_root))[1]
    found = content.get("model_type") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


def _read(spec: ModelSpec, data_root: Path) -> tuple[Path, Any]:
    file = _config(spec, data_root)
    try:
        return file, json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(
            f"model {spec.name!r}: its depth is needed, but {file} cannot be read ({error}); repair it, or {_REMEDY}"
        ) from None


def _depth(content: Any) -> int | None:
    if not isinstance(content, dict):
        return None
    for part in (*(content.get(name) for name in _INNER), content):
        for name in _NAMES:
            value = part.get(name) if isinstance(part, dict) else None
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def _config(spec: ModelSpec, data_root: Path) -> Path:
    folder = next((path for path in (data_root / spec.source, Path(spec.source)) if path.is_dir()), None)
    if folder is not None:
        return folder / "config.json"
    if spec.source.count("/") != 1 or spec.source.startswith((".", "/")):
        raise ModelError(f"model {spec.name!r}: no folder {data_root / spec.source}, and {spec.source!r} is not a hub id (owner/name)")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(spec.source, "config.json", revision=spec.revision))
    except Exception as error:  # the hub client raises many kinds; all mean "not obtainable"
        raise ModelError(
            f"model {spec.name!r}: its depth is needed, but the config.json of {spec.source!r} cannot be fetched from the hub "
            f"({type(error).__name__}: {error}); check the name, the revision {spec.revision!r} and the connection, or {_REMEDY}"
        ) from error
