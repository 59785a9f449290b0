"""The GGUF container: named fields and arrays in one file, as ggml writes them. Not here: what control vectors are in it.

A reader of its own, because the `gguf` package trusts its file: eighty bytes that announce an array of 2^40 numbers keep it busy until
memory ends. Here every announced count is held against the bytes that are there. The tests hold both directions against that package.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asteer_core.atomic import write_whole
from asteer_core.errors import StoreError

MAGIC = b"GGUF"
VERSION = 3
READABLE = (2, 3)
ALIGNMENT = 32
STRING, ARRAY, UINT32 = 8, 9, 4
NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Field type -> struct format."""
FLOATS = {0: "<f4", 1: "<f2", 28: "<f8"}
"""Tensor type -> dtype: those that hold plain floats. The others are quantised blocks."""
ARCHITECTURE = "general.architecture"


def read_gguf(path: Path, architecture: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the fields (numbers and text; arrays are passed over) and the float tensors of a file of the given architecture.

    Raises:
        StoreError: missing, truncated, of another version or architecture, a count that the file cannot hold, or quantised tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(_Source(path, stream), architecture)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None


def write_gguf(path: Path, fields: Mapping[str, str | int], tensors: Mapping[str, np.ndarray]) -> None:
    """Write text and unsigned numbers as fields, and float32 vectors as tensors; the file appears whole or not at all."""
    head = [struct.pack("<4sIQQ", MAGIC, VERSION, len(tensors), len(fields))]
    for name, value in fields.items():
        packed = _text(value) if isinstance(value, str) else struct.pack("<I", value)
        head.append(_text(name) + struct.pack("<I", STRING if isinstance(value, str) else UINT32) + packed)
    data = bytearray()
    for name, array in tensors.items():
        head.append(_text(name) + struct.pack("<IQIQ", 1, array.size, 0, len(data)))
        data += np.ascontiguousarray(array, dtype="<f4").tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    start = b"".join(head)
    content = start + bytes(-len(start) % ALIGNMENT) + bytes(data)
    write_whole(path, lambda temporary: temporary.write_bytes(content))


class _Source:
    """A stream that never gives less than it was asked for."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self._stream = path, stream
        self.size = os.fstat(stream.fileno()).st_size

    @property
    def place(self) -> int:
        return self._stream.tell()

    def take(self, count: int) -> bytes:
        self._check(count)
        return self._stream.read(count)

    def skip(self, count: int) -> None:
        self._check(count)
        self._stream.seek(count, os.SEEK_CUR)

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        try:
            return self.take(self.number("<Q")).decode()
        except UnicodeDecodeError:
            raise StoreError(f"{self.path}: a name or text before byte {self.place} is not UTF-8; the file is damaged") from None

    def tensor(self, start: int, shape: list[int], kind: str) -> np.ndarray:
        size = np.dtype(kind).itemsize * math.prod(shape)
        if start + size > self.size:
            raise StoreError(f"{self.path}: a tensor ends at byte {start + size}, but the file has {self.size}; copy it again")
        self._stream.seek(start)
        return np.frombuffer(self._stream.read(size), dtype=kind).reshape(shape[::-1])

    def _check(self, count: int) -> None:
        if count > self.size - self.place:
            raise StoreError(
                f"{self.path}: {count} bytes are announced at byte {self.place}, but only {self.size - self.place} follow; "
                "the file is truncated or damaged, copy it again"
            )


def _read(source: _Source, architecture: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if source.take(4) != MAGIC:
        raise StoreError(f"{source.path}: not a GGUF file (it does not begin with 'GGUF')")
    version = source.number("<I")
    if version not in READABLE:
        raise StoreError(
            f"{source.path}: GGUF version {version}, expected 2 or 3 in little-endian order; convert it with a recent llama.cpp"
        )
    n_tensors, n_fields = source.number("<Q"), source.number("<Q")
    fields: dict[str, Any] = {}
    for _ in range(n_fields):
        name = source.text()
        fields[name] = _value(source, source.number("<I"))
        # A model of many gigabytes, given by mistake, is refused before more of it is read.
        if name == ARCHITECTURE:
            _check_architecture(source, fields[name], architecture)
    _check_architecture(source, fields.get(ARCHITECTURE), architecture)
    infos = [_tensor_info(source) for _ in range(_counted(source, n_tensors))]
    alignment = fields.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment > 1 << 20:
        raise StoreError(f"{source.path}: general.alignment is {alignment!r}; expected a number of bytes such as {ALIGNMENT}")
    data = -(-source.place // alignment) * alignment
    tensors: dict[str, np.ndarray] = {}
    for name, shape, kind, offset in infos:
        if name in tensors:
            raise StoreError(f"{source.path}: two tensors are called {name!r}; keep one of them")
        tensors[name] = source.tensor(data + offset, shape, kind)
    return fields, tensors


def _check_architecture(source: _Source, found: Any, wanted: str) -> None:
    if found != wanted:
        raise StoreError(
            f"{source.path}: holds architecture {str(found)[:60]!r}, expected {wanted!r}; is this a model instead of a vector?"
        )


def _counted(source: _Source, count: int) -> int:
    # Name length, dimensions, one of them, type, offset: no entry is shorter.
    if count > (source.size - source.place) // 24:
        raise StoreError(f"{source.path}: {count} tensors are announced, more than the file can hold; it is damaged")
    return count


def _value(source: _Source, kind: int) -> Any:
    """Return a number or text; an array is passed over and gives None."""
    if kind == STRING:
        return source.text()
    if kind != ARRAY:
        return source.number(_number_format(source, kind))
    element, count = source.number("<I"), source.number("<Q")
    if element == STRING:
        for _ in range(count):
            source.skip(source.number("<Q"))
    else:
        source.skip(count * struct.calcsize(_number_format(source, element)))
    return None


def _number_format(source: _Source, kind: int) -> str:
    if kind not in NUMBERS:
        raise StoreError(f"{source.path}: a field of unknown type {kind} before byte {source.place}; the file is damaged")
    return NUMBERS[kind]


def _tensor_info(source: _Source) -> tuple[str, list[int], str, int]:
    name, n_dimensions = source.text(), source.number("<I")
    if n_dimensions > 4:
        raise StoreError(f"{source.path}: tensor {name[:60]!r} has {n_dimensions} dimensions, at most 4 are legal; the file is damaged")
    shape = [source.number("<Q") for _ in range(n_dimensions)]
    kind, offset = source.number("<I"), source.number("<Q")
    if kind not in FLOATS:
        raise StoreError(
            f"{source.path}: tensor {name[:60]!r} has type {kind}; expected 0 (F32, as llama.cpp reads them), 1 (F16) or 28 (F64)"
        )
    return name, shape, FLOATS[kind], offset


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded
