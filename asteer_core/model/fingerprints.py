"""The identity of a model without loading it: what a stored result depends on, so that new weights never pass for old ones.

Torch-free. What does not belong here: loading (`loading.py`).
"""

from __future__ import annotations

import re
from pathlib import Path

from asteer_core.errors import ModelError
from asteer_core.model.digests import hash_files
from asteer_core.model.specs import ModelSpec
from asteer_core.types import fingerprint

_COMMIT = re.compile(r"[0-9a-f]{40}")


def spec_fingerprint(spec: ModelSpec, data_root: str | Path) -> str:
    """Return a 16-digit hash of a model's weights and tokenizer, and of the settings that change its numbers.

    A folder is read; a hub model is identified by its commit, looked up when the revision is not a commit already.

    Raises:
        ModelError: no such folder, or the hub knows no such model or cannot be reached.
    """
    folder = next((path for path in (Path(data_root) / spec.source, Path(spec.source)) if path.is_dir()), None)
    identity = _folder_hash(spec, folder) if folder else _commit(spec, Path(data_root))
    return fingerprint([identity, spec.dtype, spec.quantisation, spec.prompt_template])


def _folder_hash(spec: ModelSpec, folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"model {spec.name!r}: {folder} holds no .safetensors file; save the model with save_pretrained")
    return hash_files([*weights, *folder.glob("token*.json"), *folder.glob("*.jinja")])


def _commit(spec: ModelSpec, data_root: Path) -> str:
    if spec.source.count("/") != 1 or spec.source.startswith((".", "/")):
        raise ModelError(
            f"model {spec.name!r}: no folder {spec.source!r} under {data_root} or {Path.cwd()}, and it is not a hub id (owner/name)"
        )
    if spec.revision and _COMMIT.fullmatch(spec.revision):
        return f"{spec.source}@{spec.revision}"
    from huggingface_hub import HfApi

    try:
        found = HfApi().model_info(spec.source, revision=spec.revision).sha
    except Exception as error:  # the hub client raises many kinds; all mean "not obtainable"
        raise ModelError(
            f"model {spec.name!r}: {spec.source!r} is no folder under {data_root}, and the hub gives no commit of that name "
            f"({type(error).__name__}: {error}); check the name and the connection, or pin `revision:` to a commit"
        ) from error
    return f"{spec.source}@{found}"
