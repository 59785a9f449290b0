"""Frozen records that travel along the line: configurations, sampling, edits, vectors. No behaviour beyond naming.

What does not belong here: anything that computes (methods, metrics), reads files (concepts, warehouse) or needs torch.
"""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np

from asteer_core.errors import ConfigError

Scope = Literal["generated", "prompt", "all"]
"""Token positions an edit touches. `generated`: the last prompt token (it produces the first new token) and all after it."""

Positions = Literal["mean", "last", "all"]
"""Token positions an activation is taken from: mean over completion tokens, its last token, or mean after BOS."""

Site = Literal["block_output", "attention_heads"]
"""Where in a block activations are read and edited: its output (the residual stream), or the heads' joined output, [heads * head_dim],
as the attention's output projection receives it."""

BASELINES = ("unsteered", "prompted")
"""Methods that apply no edit."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
LONGEST_NAME = 64
"""Characters. A partition's file name is made of up to three names, and file systems take 255 bytes."""


def check_name(kind: str, name: str) -> str:
    """Return `name` if it may stand in partition keys, file names and SQL.

    Raises:
        ConfigError: it holds anything but lower-case letters, digits, dot, underscore and hyphen, or is longer than `LONGEST_NAME`.
    """
    if len(name) > LONGEST_NAME:
        raise ConfigError(f"{kind} name {name[:20]!r}...: {len(name)} characters; use at most {LONGEST_NAME}, file names are made of it")
    if not _NAME.fullmatch(name) or ".." in name:
        raise ConfigError(f"{kind} name {name!r}: use lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return name


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way of producing a corpus for one concept; every record from vectors on carries its `id`.

    `layer` is a decoder block from 0 (its OUTPUT is edited); `strength` is the method's dial (0 = off); `template` names
    the system prompt of a `prompted` baseline. A dial may be left to the study: `layer_rank` asks for the block of that rank
    (1 = best) and `kl_target` for the strength that moves the model by so many nats per token; what they resolve to is then
    in `layer` and `strength`, and changes neither `key` nor `id`. `temperature` and `top_p` stand where a configuration draws its
    tokens otherwise than its study (`sampled`). Fields that do not apply are None.
    """

    concept: str
    model: str
    method: str
    layer: int | None = None
    strength: float | None = None
    template: str | None = None
    scope: Scope = "generated"
    seed: int = 0
    layer_rank: int | None = None
    kl_target: float | None = None
    temperature: float | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        for kind in ("concept", "model", "method"):
            check_name(kind, getattr(self, kind))
        if self.template is not None:
            check_name("template", self.template)
        if self.layer is not None and self.layer < 0:
            raise ConfigError(f"{self.concept}, {self.model}, {self.method}: layer {self.layer} is negative; blocks count from 0")
        if self.strength is not None and not math.isfinite(self.strength):
            raise ConfigError(f"{self.concept}, {self.model}, {self.method}: strength {self.strength} is not finite")
        if self.layer_rank is not None and self.layer_rank < 1:
            raise ConfigError(f"{self.concept}, {self.model}, {self.method}: layer rank {self.layer_rank}; the best block has rank 1")
        if self.kl_target is not None and not 0 < self.kl_target < math.inf:
            raise ConfigError(f"{self.concept}, {self.model}, {self.method}: KL target {self.kl_target}; expected nats per token above 0")
        try:
            self.sampled(Sampling())
        except ConfigError as error:
            raise ConfigError(f"{self.concept}, {self.model}, {self.method}: {error}") from None

    @property
    def key(self) -> str:
        """The partition key within a concept, such as `llama-3m:caa:L02:s0.60` or `llama-3m:caa:Lauto:k0.30`; the model stands first.

        A sampling of the configuration's own follows as `:T0.70:P0.90`: two samplings are two keys, and share no row.
        """
        parts = [self.model, self.method]
        if self.layer_rank is not None:
            parts.append("Lauto" if self.layer_rank == 1 else f"Lauto{self.layer_rank}")
        elif self.layer is not None:
            parts.append(f"L{self.layer:02d}")
        if self.kl_target is not None:
            parts.append(f"k{_short(self.kl_target)}")
        elif self.strength is not None:
            parts.append(f"s{_short(self.strength)}")
        parts += [f"{sign}{_short(value)}" for sign, value in (("T", self.temperature), ("P", self.top_p)) if value is not None]
        if self.template is not None:
            parts.append(self.template)
        return ":".join(parts)

    @property
    def id(self) -> str:
        """Concept, key and a short hash of all fields: readable, and unique across scopes and seeds."""
        fields = asdict(self)
        for asked, found in (("layer_rank", "layer"), ("kl_target", "strength")):
            # A result of the study's own search is not part of the name under which it was asked for.
            fields.pop(asked if fields[asked] is None else found)
        for own in ("temperature", "top_p"):
            if fields[own] is None:
                fields.pop(own)
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.concept}:{self.key}#{digest}"

    @property
    def vector_key(self) -> str:
        """The partition key of the steering vector this configuration uses, such as `llama-3m:caa`."""
        return f"{self.model}:{self.method}"

    def sampled(self, sampling: "Sampling") -> "Sampling":
        """Return how the rows of this configuration are drawn in a study that draws with `sampling`."""
        own = {"temperature": self.temperature, "top_p": self.top_p}
        return replace(sampling, **{name: value for name, value in own.items() if value is not None})

    @classmethod
    def parse(cls, concept: str, key: str, scope: Scope = "generated", seed: int = 0) -> Self:
        """Return the configuration that `key` names; the inverse of `key`.

        Raises:
            ConfigError: the key does not have the form `model:method[:Lnn|:Lauto][:sx.xx|:kx.xx][:Tx.xx][:Px.xx][:template]`.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            raise ConfigError(
                f"configuration key {key!r}: expected model:method[:Lnn or :Lauto][:sx.xx or :kx.xx][:Tx.xx][:Px.xx][:template]"
            )
        part = match.groupdict()
        return cls(
            concept, part["model"], part["method"],
            layer=None if part["layer"] is None else int(part["layer"]),
            strength=None if part["strength"] is None else float(part["strength"]),
            template=part["template"], scope=scope, seed=seed,
            layer_rank=None if part["rank"] is None else int(part["rank"] or 1),
            kl_target=None if part["kl"] is None else float(part["kl"]),
            temperature=None if part["temperature"] is None else float(part["temperature"]),
            top_p=None if part["top_p"] is None else float(part["top_p"]),
        )  # fmt: skip


def key_of(configuration_id: str) -> str:
    """Return the partition key within an id (`Configuration.id`): the id without concept and hash."""
    return configuration_id.partition(":")[2].partition("#")[0]


_NUMBER = r"-?[0-9.e+-]+"
_KEY = re.compile(
    r"(?P<model>[^:]+):(?P<method>[^:]+)(?::L(?:(?P<layer>\d+)|auto(?P<rank>\d*)))?"
    rf"(?::(?:s(?P<strength>{_NUMBER})|k(?P<kl>{_NUMBER})))?"
    # Capitals, because the name of a template has none.
    rf"(?::T(?P<temperature>{_NUMBER}))?(?::P(?P<top_p>{_NUMBER}))?(?::(?P<template>[^:]+))?"
)


def _short(number: float) -> str:
    """Return two decimals where they hold the whole number, else all of them."""
    short = f"{number:.2f}"
    return short if float(short) == number else repr(number)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. A row's text depends on these, its configuration, prompt, sample index and seed, nothing else."""

    max_new_tokens: int = 64
    min_new_tokens: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = {
            "max_new_tokens": self.max_new_tokens < 1,
            "min_new_tokens": not 0 <= self.min_new_tokens <= self.max_new_tokens,
            "temperature": not (self.temperature >= 0 and math.isfinite(self.temperature)),
            "top_p": not 0 < self.top_p <= 1,
            "top_k": self.top_k < 0,
            "repetition_penalty": not (self.repetition_penalty > 0 and math.isfinite(self.repetition_penalty)),
        }
        for name, wrong in problems.items():
            if wrong:
                raise ConfigError(f"sampling: {name}={getattr(self, name)!r} is out of range")


@dataclass(frozen=True, slots=True)
class Add:
    """h' = h + vector at a site of `block`. `vector`: float32, as wide as the site, activation units."""

    block: int
    vector: np.ndarray
    site: Site = "block_output"


@dataclass(frozen=True, slots=True)
class Rotate:
    """Rotate h inside the plane (b1, b2) from its present angle towards b1 by `fraction` (0 = off, 1 = aligned).

    Norm preserving. `b1`, `b2`: float32, orthonormal, as wide as the site.
    """

    block: int
    b1: np.ndarray
    b2: np.ndarray
    fraction: float
    site: Site = "block_output"


@dataclass(frozen=True, slots=True)
class Affine:
    """h' = h - (h.r) r + offset: removes the unit direction r, then adds `offset`. Both float32, as wide as the site."""

    block: int
    direction: np.ndarray
    offset: np.ndarray
    site: Site = "block_output"


Edit = Add | Rotate | Affine


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets a row's edits through only where its prompt fires: cos(mean prompt activation at `block`, condition) > threshold."""

    block: int
    condition: np.ndarray
    threshold: float


@dataclass(frozen=True, slots=True)
class Intervention:
    """What happens to the rows of one configuration. No edits = the unsteered model."""

    edits: tuple[Edit, ...] = ()
    scope: Scope = "generated"
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One row to generate. `intervention` is a key into the table of interventions that accompanies the batch.

    `stream` seeds the row's own random stream: the caller derives it from configuration, prompt, sample index and seed
    (`row_stream`), so that the text does not depend on how rows are packed.
    """

    row_id: str
    prompt: str
    intervention: str
    stream: int
    system: str | None = None


def row_stream(configuration_id: str, prompt_id: str, sample: int, seed: int) -> int:
    """Return the 63-bit stream number of one row, the same on every machine and Python version."""
    text = json.dumps([configuration_id, prompt_id, sample, seed])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True)
class SteeringVector:
    """What one method found at one block, for one concept and model.

    `direction`: float32 [d_model], unit norm, pointing towards violation. `extras`: further arrays the method's edit
    needs (such as `b2`). `scale`: median ||h|| at that block over non-BOS tokens of unsteered generations, so that an
    additive edit of strength a adds a * scale * direction. `separation`: AUROC of projections on held-out pairs.
    """

    concept: str
    model: str
    method: str
    block: int
    direction: np.ndarray
    scale: float
    separation: float | None = None
    cosine_to_mean_difference: float | None = None
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainedVector:
    """A vector trained with a model's loss: float32 [d_model], activation units.

    `heldout_losses`: mean negative log-likelihood per token (nats) on held-out completions, without the vector and after each epoch.
    `epoch`: the one that was kept, from 1; 0 = none was better than no vector.
    """

    vector: np.ndarray
    heldout_losses: tuple[float, ...]
    epoch: int


def fingerprint(value: Any) -> str:
    """Return a 16-digit hash of any JSON-serialisable value, stable across processes."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
