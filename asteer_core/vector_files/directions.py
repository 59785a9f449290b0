"""Directions by block that somebody found, in whatever units: what an import has in hand before it is anybody's steering vector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from asteer_core.errors import DataError, ModelError, StoreError
from asteer_core.types import SteeringVector

Form = Literal["gguf", "safetensors", "asteer", "arrays"]
MAX_BLOCK = 10_000
"""No model has as many blocks; a larger number is a damaged name."""


@dataclass(frozen=True)
class Directions:
    """One direction per block of one model.

    Attributes:
        by_block: decoder block from 0 -> float32 [d_model], finite, not zero, with the norm that it came with.
        source: the file, or what the arrays are called; it stands in errors.
        form: kind of file.
        model_hint: architecture that the file names, such as `llama`.
        facts: what the file says of its origin. Untrusted; shown, never acted on but for `model_fingerprint`.
        zero_blocks: blocks that the file holds as zeros, which say nothing.
    """

    by_block: dict[int, np.ndarray]
    source: str
    form: Form
    model_hint: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    zero_blocks: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """d_model of the model that the directions are for."""
        return len(next(iter(self.by_block.values())))

    @property
    def digest(self) -> str:
        """A 16-digit hash of blocks and numbers: results made with other numbers are other results."""
        digest = hashlib.sha256()
        for block, direction in sorted(self.by_block.items()):
            digest.update(f"{block}:".encode() + direction.astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    def norm(self, block: int) -> float:
        """Return the norm with which the direction came."""
        return float(np.linalg.norm(self.by_block[block].astype(np.float64)))

    def unit(self, block: int) -> np.ndarray:
        """Return the direction of a block at norm 1, float64 [d_model].

        Raises:
            ModelError: there is none for this block.
        """
        if block not in self.by_block:
            zero = " (it holds zeros there)" if block in self.zero_blocks else ""
            raise ModelError(f"{self.source}: no direction for block {block}{zero}; it has blocks {sorted(self.by_block)}")
        return self.by_block[block].astype(np.float64) / self.norm(block)

    def shifted(self, by: int) -> Self:
        """Return the same directions `by` blocks deeper.

        llama.cpp's cvector-generator reads the output of block N and calls it direction.N+1: a shift of -1 brings it back.

        Raises:
            DataError: a block would be negative.
        """
        moved = {block + by: direction for block, direction in self.by_block.items()}
        if min(moved) < 0:
            raise DataError(f"{self.source}: a shift of {by} moves block {min(self.by_block)} to {min(moved)}; blocks count from 0")
        return replace(self, by_block=moved, zero_blocks=tuple(block + by for block in self.zero_blocks))

    def check_model(
        self, name: str, d_model: int, n_blocks: int | None = None, fingerprint: str | None = None, *, other_weights: bool = False
    ) -> None:
        """Raise unless the directions can be those of a model.

        Args:
            name, d_model, n_blocks, fingerprint: the model's; None = not known, so not compared.
            other_weights: take directions of other weights of the same shape, such as those of the base model.

        Raises:
            ModelError: another width, a block that the model lacks, or other weights than those the file names.
        """
        if self.width != d_model:
            raise ModelError(
                f"{self.source}: directions have width {self.width}, but model {name!r} has {d_model}; they belong to another model"
            )
        beyond = [block for block in sorted(self.by_block) if n_blocks is not None and block >= n_blocks]
        if beyond and n_blocks is not None:
            raise ModelError(f"{self.source}: direction for block {beyond[0]}, but model {name!r} has blocks 0 to {n_blocks - 1}")
        found = self.facts.get("model_fingerprint")
        if not other_weights and found and fingerprint and found != fingerprint:
            raise ModelError(
                f"{self.source}: found on weights {str(found)[:20]}, but model {name!r} has {fingerprint}; "
                "set other_weights: true (--other-weights) to use it all the same"
            )


def describe(found: Directions) -> dict[str, Any]:
    """Return where directions come from, for the metadata of a vector made of them."""
    return {
        "source": found.source,
        "source_form": found.form,
        "source_digest": found.digest,
        "source_model_hint": found.model_hint,
        "source_facts": {str(key)[:40]: str(value)[:200] for key, value in list(found.facts.items())[:40]},
    }


def from_directions(by_block: Mapping[int, Any], source: str = "arrays", model_hint: str | None = None) -> Directions:
    """Return directions from Python objects: anything that numpy takes, such as `layer_activations` of the library steering-vectors.

    Raises:
        StoreError: no blocks, one that is not a vector of finite floats, or vectors of several widths; the message names `source`.
    """
    return checked({block: np.asarray(array) for block, array in by_block.items()}, source, "arrays", model_hint)


def from_vectors(vectors: Mapping[int, SteeringVector], source: Path | str) -> Directions:
    """Return the unit directions of our own steering vectors."""
    first = next(iter(vectors.values()))
    facts = {"concept": first.concept, "model": first.model, "method": first.method, **first.metadata}
    return Directions({block: vector.direction for block, vector in vectors.items()}, str(source), "asteer", facts=facts)


def checked(
    arrays: Mapping[Any, np.ndarray], source: Path | str, form: Form, model_hint: str | None = None, facts: Mapping[str, Any] | None = None
) -> Directions:
    """Return directions from arrays of any origin; see `from_directions`."""
    kept: dict[int, np.ndarray] = {}
    zero: list[int] = []
    for block, array in arrays.items():
        where = f"{source}, block {block}"
        if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or not 0 <= block <= MAX_BLOCK:
            raise StoreError(f"{source}: block {str(block)[:40]} is not a decoder block counted from 0")
        if array.ndim != 1 or not array.size or array.dtype.kind != "f":
            raise StoreError(f"{where}: got {array.dtype} of shape {array.shape}; expected floats of shape [d_model]")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise StoreError(f"{where}: the direction holds NaN, infinity or a number beyond float32; find it again in float32")
        if array.any():
            kept[int(block)] = array
        else:
            zero.append(int(block))
    if not kept:
        raise StoreError(f"{source}: there is no direction in it{' but zeros' if zero else ''}")
    widths = {len(array) for array in kept.values()}
    if len(widths) > 1:
        raise StoreError(f"{source}: directions of several widths {sorted(widths)}; all blocks of a model have one")
    return Directions(dict(sorted(kept.items())), str(source), form, model_hint, dict(facts or {}), tuple(sorted(zero)))
