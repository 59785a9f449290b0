"""The pretrained encoder under a fine-tuned detector: by the name `minilm` (the embedded package), a folder, or a hub id.

What does not belong here: where it is found (`encoder_sources.py`), training (`finetuning.py`), sequence classifiers that somebody has
trained already (`classifier.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asteer_core.errors import ModelError
from asteer_core.model.encoder_sources import encoder_spec, safe_weights
from asteer_core.model.loading import device_of, hash_files, model_folder
from asteer_core.model.quiet import no_loading_report, no_progress_bars


@dataclass(frozen=True, eq=False)
class Backbone:
    """A sequence classifier with a fresh two-class head, its tokenizer, and the hash of the pretrained weights."""

    module: Any
    tokenizer: Any
    fingerprint: str
    device: torch.device


def load_backbone(source: str, revision: str | None = None, device: str = "auto", *, seed: int = 0) -> Backbone:
    """Return the encoder `source` with a two-class head whose weights are drawn from `seed`.

    Raises:
        ModelError: the source cannot be found or reached, holds no safetensors, or is no encoder that transformers can put a head on.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    spec = encoder_spec(source, revision, device)
    folder, _ = model_folder(spec, Path("."))
    weights = safe_weights(source, folder)
    where = device_of(spec)
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "trust_remote_code": False, "dtype": torch.float32}
    try:
        with no_progress_bars(), no_loading_report(), torch.random.fork_rng():
            torch.manual_seed(seed)
            module, info = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, output_loading_info=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (SafetensorError, OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise ModelError(f"encoder {source!r}: {folder} cannot be loaded with a classification head: {error}") from error
    _refuse_missing_body(source, module, info["missing_keys"])
    module.config.id2label, module.config.label2id = {0: "compliant", 1: "violating"}, {"compliant": 0, "violating": 1}
    module.config.problem_type = "single_label_classification"
    return Backbone(module.to(where), tokenizer, hash_files(weights), where)


def _refuse_missing_body(source: str, module: Any, missing: Sequence[str]) -> None:
    """Heads are drawn at random by design; a body drawn at random would be an untrained encoder under a trained one's name."""
    prefix = f"{module.base_model_prefix}."
    body = sorted(name for name in missing if name.startswith(prefix) and ".pooler." not in name)
    if body:
        raise ModelError(f"encoder {source!r}: no weights for {', '.join(body[:5])}; the folder is incomplete or of another architecture")
