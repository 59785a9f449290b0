"""Where the pretrained encoder of a fine-tuned detector is, and which weights these are, without loading them.

Torch-free, so that a study can check and price its detectors before it runs. What does not belong here: loading (`backbones.py`).
"""

from __future__ import annotations

from pathlib import Path

from asteer_core.errors import ModelError
from asteer_core.model.encoder import NAME as MINILM_ON_THE_HUB
from asteer_core.model.encoder import packaged_folder
from asteer_core.model.fingerprints import spec_fingerprint
from asteer_core.model.specs import ModelSpec

MINILM = "minilm"


def encoder_spec(source: str, revision: str | None = None, device: str = "auto") -> ModelSpec:
    """Return where the encoder `source` is: `minilm` is the installed package, or the same weights on the hub.

    Raises:
        ModelError: neither a folder nor a hub id, or a folder without safetensors.
    """
    spec = ModelSpec(name="backbone", source=_located(source), revision=revision, device=device)
    folder = Path(spec.source)
    if folder.is_dir():
        safe_weights(source, folder)
    elif spec.source.count("/") != 1 or spec.source.startswith((".", "/", "~")):
        raise ModelError(
            f"encoder {source!r}: no such folder, and no hub id (owner/name) either; expected {MINILM!r}, a folder with config.json, "
            "model.safetensors and a tokenizer, or an id such as answerdotai/ModernBERT-base"
        )
    return spec


def safe_weights(source: str, folder: Path) -> list[Path]:
    """Return the weight files of an encoder's folder.

    Raises:
        ModelError: it has none in safetensors.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise ModelError(
            f"encoder {source!r}: {folder} holds no .safetensors file; pickled weights (.bin, .pt) are refused because loading them runs "
            "code: convert them with save_pretrained"
        )
    return found


def encoder_folder(source: str) -> Path | None:
    """Return the folder of an encoder that is on this disk under that name, else None."""
    folder = Path(_located(source))
    return folder if folder.is_dir() else None


def encoder_fingerprint(source: str, revision: str | None = None) -> str:
    """Return what identifies the pretrained weights: their hash for a folder, the commit for a hub model.

    Raises:
        ModelError: see `asteer_core.model.fingerprints.spec_fingerprint`.
    """
    return spec_fingerprint(encoder_spec(source, revision), Path("."))


def _located(source: str) -> str:
    return str(packaged_folder() or MINILM_ON_THE_HUB) if source == MINILM else source
