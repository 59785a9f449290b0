"""Somebody's sequence classifier, from a folder or the hub: texts in, label probabilities out. Safetensors only.

What does not belong here: which labels mean violation (`asteer_core.judges.guard`), language models (`loading.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import device_of, hash_files, hash_weights, model_folder
from asteer_core.model.memory import fits
from asteer_core.model.quiet import no_progress_bars
from asteer_core.model.specs import ModelSpec

_ROWS = 32
_SAVED = frozenset(
    ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
     "vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model", "spiece.model", "chat_template.jinja")
)  # fmt: skip


class SequenceClassifier:
    """A sequence classifier with its tokenizer.

    Wrap an in-memory model with the constructor; read one from disk or the hub with `load_classifier`. `labels` are in the order of the
    columns, `multi_label` says that several may hold at once, `n_truncated` counts texts that did not fit and were cut at the end.
    """

    def __init__(self, name: str, module: Any, tokenizer: Any, *, fingerprint: str | None = None, revision: str | None = None) -> None:
        self.name, self.module, self.tokenizer, self.revision = name, module.eval(), tokenizer, revision
        self.fingerprint = fingerprint or hash_weights(module)
        config = module.config
        self.labels = tuple(str(config.id2label[column]) for column in range(config.num_labels))
        if config.problem_type == "regression" or len(set(self.labels)) < len(self.labels):
            raise ModelError(
                f"classifier {name!r}: labels {list(self.labels)}, problem type {config.problem_type}; expected distinct classes"
            )
        # A single column has no rival to share probability with.
        self.multi_label = config.problem_type == "multi_label_classification" or len(self.labels) == 1
        self.n_truncated = 0
        self._longest = _longest(config, tokenizer)

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Return P(label), float64 [text, label]: rows sum to 1, or each is on its own where `multi_label`.

        Args:
            texts: first (or only) text of each row. pairs: second text of each row.

        Raises:
            ModelError: texts and pairs differ in number, rows longer than one cannot be padded, or memory does not suffice for one row.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise ModelError(f"classifier {self.name!r}: {len(texts)} texts and {len(pairs)} second texts; expected as many of both")
        found = np.empty((len(texts), len(self.labels)))
        lengths = [len(text) + (len(pairs[row]) if pairs is not None else 0) for row, text in enumerate(texts)]
        order = np.argsort(lengths, kind="stable")
        # Decoder classifiers read the last token before the padding, and without a padding token they take one row at a time.
        step = _ROWS if self.tokenizer.pad_token_id is not None and self._can_pad() else 1

        def judge(rows: np.ndarray) -> None:
            inputs, cut = self._encode([texts[row] for row in rows], None if pairs is None else [pairs[row] for row in rows])
            found[rows] = self._squash(self.module(**inputs).logits.double()).cpu().numpy()
            self.n_truncated += cut

        start = 0
        while start < len(order):
            rows = order[start : start + step]
            if fits(partial(judge, rows), len(rows), f"classifier {self.name!r}", self.module.device):
                start += len(rows)
            else:
                step = len(rows) // 2
        return found

    def save(self, folder: Path) -> None:
        """Write configuration, weights (safetensors) and tokenizer to `folder`."""
        with no_progress_bars():
            self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _can_pad(self) -> bool:
        return self.module.config.is_encoder_decoder or self.module.config.pad_token_id is not None

    def _encode(self, texts: list[Any], pairs: list[Any] | None) -> tuple[dict[str, torch.Tensor], int]:
        """Return what the module reads, and how many of the texts were cut."""
        alone = len(texts) == 1
        encoded = self.tokenizer(
            texts, pairs, truncation=True, max_length=self._longest, padding=not alone, return_overflowing_tokens=False, return_tensors="pt"
        )
        cut = 0
        if self._longest is not None and encoded["input_ids"].shape[1] >= self._longest:
            whole = self.tokenizer(texts, pairs, truncation=False, return_length=True, verbose=False)["length"]
            cut = sum(length > self._longest for length in whole)
        return {name: value.to(self.module.device) for name, value in encoded.items()}, cut

    def _squash(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(logits) if self.multi_label else torch.softmax(logits, dim=-1)


def load_saved(folder: Path, device: str = "auto") -> SequenceClassifier:
    """Return the classifier that `SequenceClassifier.save` wrote; a folder with anything else in it is refused.

    Raises:
        ModelError: a file that a saved classifier does not consist of, or a broken one.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; a saved encoder has config.json, model.safetensors and its tokenizer")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _SAVED or path.is_symlink() or not path.is_file())
    if foreign:
        # An adapter or a Python file beside the weights would make transformers load or run what it names.
        raise ModelError(f"{folder}: holds {', '.join(foreign[:5])}, which a saved encoder does not; remove it if you know what it is")
    return load_classifier(ModelSpec(name=f"encoder-in-{folder.parent.name}"[:60], source=str(folder), device=device))


def load_classifier(spec: ModelSpec, data_root: str | Path = ".") -> SequenceClassifier:
    """Return the classifier that an entry describes (a folder or a hub id), with weights from safetensors only.

    Raises:
        ModelError: the source cannot be found or reached, holds no safetensors, or is no sequence classifier with trained labels.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, revision = model_folder(spec, Path(data_root))
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(
            f"classifier {spec.name!r}: {folder} holds no .safetensors file; pickled weights (.bin, .pt) are refused because loading them "
            "runs code: convert them with save_pretrained"
        )
    device = device_of(spec)
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "trust_remote_code": spec.trust_remote_code}
    options["dtype"] = torch.float32 if spec.dtype == "auto" and device.type == "cpu" else spec.dtype
    try:
        with no_progress_bars():
            module, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=spec.trust_remote_code)
    except (SafetensorError, OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise ModelError(f"classifier {spec.name!r}: {folder} cannot be loaded: {error}") from error
    if missing := sorted(info["missing_keys"]):
        # Transformers fills them with random numbers, and the verdicts would be noise.
        raise ModelError(f"classifier {spec.name!r}: {folder} has no weights for {', '.join(missing[:5])}; it is no trained classifier")
    return SequenceClassifier(spec.name, module.to(device), tokenizer, fingerprint=hash_files(weights), revision=revision)


def _longest(config: Any, tokenizer: Any) -> int | None:
    limits = [tokenizer.model_max_length]
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int):
        # RoBERTa counts positions from the padding index on.
        offset = (config.pad_token_id or 0) + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer") else 0
        limits.append(positions - offset)
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known) if known else None
