"""What may stand under `layers` and `strengths` of a study file, and what it means.

Belongs here: the notation and its errors. Does not: choosing a block or a strength (`asteer_core.selection`), the rest of the file.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

KL_TARGETS = (0.1, 0.3, 1.0)
"""What `strengths: auto` stands for, in nats per token: a nudge, a push, and a shove that costs coherence."""

MAX_STRENGTH = 10.0
_LAYERS = "block numbers such as [10, 14], shares of the depth such as ['50%'], `auto`, or {auto: 2} for the two best"
_STRENGTHS = "numbers above 0 such as [0.3, 0.6], `auto`, or targets in nats per token such as {kl: [0.1, 0.3, 1.0]}"
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a configuration steers: a block, or the block of a rank in the study's own ranking (1 = best)."""

    layer: int | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """How hard a configuration steers: a strength, or the KL divergence (nats per token) that the strength is to reach, or neither."""

    strength: float | None = None
    kl: float | None = None


def places(layers: Any, depth: Callable[[], int]) -> list[Place]:
    """Return the places that one model's `layers` name, in order; shares that fall on one block give it once.

    Args:
        layers: as `Layers` accepted it.
        depth: called where a share stands; returns the number of blocks of the model.
    """
    if isinstance(layers, Mapping):
        return [Place(rank=rank) for rank in range(1, layers["auto"] + 1)]
    found = [layer if isinstance(layer, int) else block_at(layer, depth()) for layer in layers]
    return [Place(layer) for layer in dict.fromkeys(found)]


def pushes(strengths: Any) -> list[Push]:
    """Return the pushes that `strengths` name, in order; one without a strength where there are none (None)."""
    if strengths is None:
        return [Push()]
    if isinstance(strengths, Mapping):
        return [Push(kl=target) for target in strengths["kl"]]
    return [Push(strength) for strength in strengths]


def block_at(share: str, n_blocks: int) -> int:
    """Return the block whose output comes nearest after this share of the blocks: '50%' of 32 blocks is block 15, '100%' the last."""
    percent = float(share.rstrip("% "))
    return min(n_blocks, max(1, math.floor(percent / 100 * n_blocks + 0.5))) - 1


def _layers(value: Any) -> Any:
    if value == "auto":
        return {"auto": 1}
    if isinstance(value, Mapping):
        count = value.get("auto")
        if list(value) != ["auto"] or not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{value!r} is not understood; expected {_LAYERS}")
        return {"auto": count}
    return _once([_layer(item) for item in _items(value, _LAYERS)])


def _layers_by_model(value: Any) -> Any:
    if isinstance(value, Mapping) and not ("auto" in value and _is_int(value["auto"])):
        if not value:
            raise ValueError(f"it is empty; expected {_LAYERS}")
        return {str(model): _layers(mine) for model, mine in value.items()}
    return _layers(value)


def _layer(item: Any) -> int | str:
    if _is_int(item):
        if item < 0:
            raise ValueError(f"block {item} is negative; blocks count from 0")
        return item
    match = _PERCENT.fullmatch(item.strip()) if isinstance(item, str) else None
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError(f"{item!r} is neither a block nor a share of the depth above 0 % and up to 100 %; expected {_LAYERS}")
    return f"{match[1]}%"


def _strengths(value: Any) -> Any:
    if value == "auto":
        return {"kl": list(KL_TARGETS)}
    if isinstance(value, Mapping):
        if list(value) != ["kl"]:
            raise ValueError(f"{dict(value)!r} is not understood; expected {_STRENGTHS}")
        return {"kl": _once([_number(item, math.inf) for item in _items(value["kl"], _STRENGTHS)])}
    return _once([_number(item, MAX_STRENGTH) for item in _items(value, _STRENGTHS)])


def _number(item: Any, most: float) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float) or not 0 < item <= most or not math.isfinite(item):
        limit = f" and up to {most:g}" if math.isfinite(most) else ""
        raise ValueError(f"{item!r} is not a finite number above 0{limit}; expected {_STRENGTHS}")
    return float(item)


def _items(value: Any, expected: str) -> list[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{value!r} is not understood; expected {expected}")
    return list(value)


def _once(values: list[Any]) -> list[Any]:
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands twice")
    return values


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_AUTO: dict[str, Any] = {"const": "auto", "description": "the best block of each vector, found by a pilot"}
_BLOCK = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$"}]}
_BLOCKS: dict[str, Any] = {"type": "array", "items": _BLOCK, "minItems": 1, "uniqueItems": True}
_BEST = {"type": "object", "properties": {"auto": {"type": "integer", "minimum": 1}}, "required": ["auto"], "additionalProperties": False}
_BY_MODEL = {"type": "object", "additionalProperties": {"anyOf": [_AUTO, _BLOCKS, _BEST]}, "minProperties": 1}
_LAYERS_SCHEMA = {"anyOf": [_AUTO, _BLOCKS, _BEST, _BY_MODEL], "description": f"{_LAYERS}; or a mapping from models to these"}

_POSITIVE: dict[str, Any] = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1, "uniqueItems": True}
_DIAL = {**_POSITIVE, "items": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_STRENGTH}}
_TARGETS = {"type": "object", "properties": {"kl": _POSITIVE}, "required": ["kl"], "additionalProperties": False}
_STRENGTHS_SCHEMA = {"anyOf": [{"const": "auto"}, _DIAL, _TARGETS], "description": _STRENGTHS}

Layers = Annotated[Any, PlainValidator(_layers_by_model), WithJsonSchema(_LAYERS_SCHEMA)]
"""A list of blocks and shares, {"auto": n}, or model -> either."""

Strengths = Annotated[Any, PlainValidator(_strengths), WithJsonSchema(_STRENGTHS_SCHEMA)]
"""A list of strengths, or {"kl": targets}."""
