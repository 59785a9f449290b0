"""Embeddings on disk, by the hash of the text and the encoder: each text is encoded once, by whichever process comes first.

A shard is one .npy file of (sha256, vector) records, written whole under a temporary name and then renamed; nothing is ever rewritten,
so that several processes may read and add at the same time. What does not belong here: the encoder (`encoder.py`).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from asteer_core.atomic import write_whole
from asteer_core.errors import StoreError


class Encoder(Protocol):
    """What the cache needs of an encoder."""

    fingerprint: str
    width: int

    def encode(self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return one vector per text, float32 [text, width]."""
        ...


class EmbeddingCache:
    """A folder of embeddings in front of an encoder, which is asked only for texts that no shard holds."""

    def __init__(self, root: str | Path, encoder: Encoder) -> None:
        self._encoder = encoder
        self._folder = Path(root) / encoder.fingerprint[:16]
        self._record = np.dtype([("key", "V32"), ("vector", "<f4", (encoder.width,))])
        self._place: dict[bytes, tuple[int, int]] = {}
        # Paths, not mapped arrays: a mapping holds a file descriptor, and a home that is used for months has thousands of shards.
        self._shards: list[Path] = []
        self._known: set[str] = set()

    @property
    def name(self) -> str:
        """The fingerprint of the encoder whose vectors these are."""
        return self._encoder.fingerprint

    def encode(self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return one vector per text, float32 [text, width], from disk where known; new ones are encoded and saved slice by slice.

        Raises:
            StoreError: a shard is damaged; the message names the file.
        """
        self._refresh()
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._place}
        self._add(sorted(missing.items(), key=lambda item: -len(item[1])), on_progress)
        found = np.zeros((len(texts), self._encoder.width), dtype=np.float32)
        rows: dict[int, list[tuple[int, int]]] = {}
        for place, key in enumerate(keys):
            shard, row = self._place[key]
            rows.setdefault(shard, []).append((place, row))
        for shard, pairs in rows.items():
            places, sources = zip(*pairs, strict=True)
            found[list(places)] = self._open(self._shards[shard])["vector"][list(sources)]
        return found

    def _add(self, missing: list[tuple[bytes, str]], on_progress: Callable[[int, int], None] | None, size: int = 2048) -> None:
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            shard = np.zeros(len(part), dtype=self._record)
            shard["key"] = [np.void(key) for key, _ in part]
            shard["vector"] = self._encoder.encode([text for _, text in part])
            self._save(shard)
            if on_progress:
                on_progress(start + len(part), len(missing))

    def _save(self, shard: np.ndarray) -> None:
        path = self._folder / f"{uuid.uuid4().hex}.npy"

        def fill(temporary: Path) -> None:
            # By a stream: to a path, numpy would add a suffix, and the scan would take a half-written file for a shard.
            with temporary.open("wb") as stream:
                np.save(stream, shard, allow_pickle=False)

        write_whole(path, fill)
        self._known.add(path.name)
        self._index(shard, path)

    def _refresh(self) -> None:
        """Take in shards that appeared since the last look."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.npy")):
            if path.name in self._known:
                continue
            shard = self._open(path)
            self._known.add(path.name)
            self._index(shard, path)

    def _open(self, path: Path) -> np.ndarray:
        try:
            shard = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(f"{path}: damaged embedding shard ({error}); delete the file, its texts are encoded again") from error
        if shard.dtype != self._record:
            raise StoreError(f"{path}: holds {shard.dtype}, expected {self._record}; delete the file, its texts are encoded again")
        return shard

    def _index(self, shard: np.ndarray, path: Path) -> None:
        number = len(self._shards)
        self._shards.append(path)
        # Void scalars are slow to make one by one; one block of bytes is cut instead.
        block = np.ascontiguousarray(shard["key"]).tobytes()
        for row in range(len(shard)):
            self._place.setdefault(block[32 * row : 32 * row + 32], (number, row))
