"""Sparse autoencoders on disk, as SAELens and plain torch modules name their weights. What is done with latents is in `sae.py`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from asteer_core.errors import DataError, StoreError

_NAMES = {
    "encoder": ("W_enc", "encoder.weight"),
    "decoder": ("W_dec", "decoder.weight"),
    "encoder_bias": ("b_enc", "encoder.bias"),
    "decoder_bias": ("b_dec", "decoder.bias", "bias", "pre_bias"),
    "threshold": ("threshold", "log_threshold"),
}
_FLAT = ("none", None)
"""Values of normalize_activations that leave activations as they are."""


@dataclass(frozen=True, slots=True)
class SparseAutoencoder:
    """`encoder` float32 [d_model, latent], `decoder` [latent, d_model], biases, and the rule that keeps latents sparse.

    `threshold` (JumpReLU) and `keep` (TopK: so many latents per row) are None for a plain ReLU. `centred`: the decoder bias is taken
    from the input. `block`: where it was trained, if a `cfg.json` beside the file says so.
    """

    path: Path
    encoder: np.ndarray
    decoder: np.ndarray
    encoder_bias: np.ndarray
    decoder_bias: np.ndarray
    threshold: np.ndarray | None
    keep: int | None
    centred: bool
    block: int | None

    def check(self, width: int, block: int) -> None:
        """Raise unless the autoencoder reads activations of this width and block.

        Raises:
            DataError: another width, or `cfg.json` names another block.
        """
        if self.encoder.shape[0] != width:
            raise DataError(
                f"method 'sae': {self.path} reads activations of width {self.encoder.shape[0]}, but the model has width {width}; "
                "give an autoencoder of this model"
            )
        if self.block is not None and self.block != block:
            raise DataError(
                f"method 'sae': {self.path} was trained on the output of block {self.block} (cfg.json), but block {block} is steered; "
                "steer that block, or put {layer} into the path and give a file per block"
            )

    def encode(self, activations: np.ndarray) -> np.ndarray:
        """Return the latents, float64 [row, latent]."""
        rows = activations.astype(np.float64) - (self.decoder_bias if self.centred else 0.0)
        before = rows @ self.encoder + self.encoder_bias
        if self.threshold is not None:
            return np.where(before > self.threshold, before, 0.0)
        latents = np.maximum(before, 0.0)
        if self.keep is not None and self.keep < latents.shape[1]:
            floor = np.partition(latents, -self.keep, axis=1)[:, -self.keep, None]
            latents = np.where(latents >= floor, latents, 0.0)
        return latents


def read_sae(path: Path) -> SparseAutoencoder:
    """Return the autoencoder in a safetensors file; a SAELens `cfg.json` beside it is read too.

    Raises:
        StoreError: missing or unreadable file, tensors of unknown names, or shapes that do not fit one another.
        DataError: `cfg.json` asks for a normalisation of the input that is not built.
    """
    named = _tensors(path)
    found = {part: next((named[name] for name in names if name in named), None) for part, names in _NAMES.items()}
    encoder, decoder = found["encoder"], found["decoder"]
    if encoder is None or decoder is None:
        raise StoreError(
            f"{path}: no encoder and decoder weights (found {', '.join(sorted(named)) or 'nothing'}); expected W_enc and W_dec "
            "(SAELens), or encoder.weight and decoder.weight"
        )
    # A torch linear map is stored [out, in].
    encoder = encoder if "W_enc" in named else encoder.T
    decoder = decoder if "W_dec" in named else decoder.T
    if encoder.ndim != 2 or decoder.shape != encoder.shape[::-1]:
        raise StoreError(f"{path}: encoder {encoder.shape} and decoder {decoder.shape}; expected [d_model, latent] and [latent, d_model]")
    width, latents = encoder.shape
    sizes = {"encoder_bias": latents, "decoder_bias": width, "threshold": latents}
    vectors = {part: found[part] for part in sizes}
    for part, vector in vectors.items():
        if vector is not None and vector.shape != (sizes[part],):
            raise StoreError(f"{path}: {part} has shape {vector.shape}, expected ({sizes[part]},)")
    threshold = vectors["threshold"]
    if threshold is not None and "threshold" not in named:
        threshold = np.exp(threshold)
    settings = _settings(path)
    return SparseAutoencoder(
        path,
        encoder,
        decoder,
        vectors["encoder_bias"] if vectors["encoder_bias"] is not None else np.zeros(latents, np.float32),
        vectors["decoder_bias"] if vectors["decoder_bias"] is not None else np.zeros(width, np.float32),
        threshold,
        keep=_keep(settings),
        # A JumpReLU autoencoder (Gemma Scope) is trained without centring.
        centred=bool(settings.get("apply_b_dec_to_input", threshold is None)),
        block=_block(settings),
    )


def _tensors(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise StoreError(f"{path}: no such file; give the path of a sparse autoencoder in safetensors")
    try:
        with safe_open(str(path), framework="numpy") as file:
            named = {name: np.asarray(file.get_tensor(name)).astype(np.float32) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: cannot be read as safetensors ({error}); pickled and .npz autoencoders are not taken: convert them, "
            "weights in float32 or float16"
        ) from error
    for name, tensor in named.items():
        if not np.isfinite(tensor).all():
            raise StoreError(f"{path}: {name} holds NaN or infinity; fetch or train the autoencoder again")
    return named


def _settings(path: Path) -> dict[str, Any]:
    file = path.parent / "cfg.json"
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"{file}: not JSON ({error}); repair it, or remove it to take the autoencoder as a plain ReLU one") from error
    if settings.get("normalize_activations") not in _FLAT:
        raise DataError(
            f"{file}: normalize_activations is {settings['normalize_activations']!r}, which is not built; "
            "fold the normalisation into the weights and set it to 'none'"
        )
    return settings


def _keep(settings: dict[str, Any]) -> int | None:
    kind = settings.get("activation_fn_str") or settings.get("activation_fn") or settings.get("architecture")
    count = (settings.get("activation_fn_kwargs") or {}).get("k", settings.get("k"))
    return int(count) if kind == "topk" and count else None


def _block(settings: dict[str, Any]) -> int | None:
    name = (settings.get("metadata") or {}).get("hook_name") or settings.get("hook_name") or settings.get("hook_point") or ""
    match = re.fullmatch(r"blocks\.(\d+)\.hook_resid_(pre|post)", str(name))
    # What enters a block is the output of the one before it.
    return None if match is None else int(match[1]) - (match[2] == "pre")
