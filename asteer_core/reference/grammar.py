"""Templates with slots and alternatives, and the files they are read from: `data/grammar/`.

What does not belong here: how sentences form a reply (`replies.py`), and which texts a data set holds (`concepts_data.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from asteer_core.errors import DataError
from asteer_core.paths import data_root

Slots = Mapping[str, str | Sequence[str]]
Rng = np.random.Generator

WORLDS = ("a", "b")
INTENTS = ("advice", "feedback", "fact", "trouble", "decision", "feeling")
CONCEPTS = ("toxicity", "sycophancy", "fabrication", "evasion")

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"^(?:a|an|the) ")
_DOUBLE = re.compile(r"\b(my|your|our|their|the|a|an|every|each|one's) (?:a|an|the) ", re.IGNORECASE)
_NEEDS_AN = re.compile(r"\b([Aa]) (?=[aeiouAEIO])(?!uni|use|usu|one\b|once\b|eu)")
_NEEDS_A = re.compile(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz])")
_START = re.compile(r"(^['\"(]*|[.!?]['\"]? )([a-z])")
_MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Topic:
    """One subject of conversation. `slots` maps slot names to phrases; `key` is its name inside group keys."""

    key: str
    domain: str
    slots: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lines:
    """The sentences of one concept in one world, by facet and strength, and the compliant near-misses by kind."""

    lexicon: Mapping[str, Sequence[str]]
    strong: Mapping[str, Sequence[str]]
    mild: Mapping[str, Sequence[str]]
    near_miss: Mapping[str, Sequence[str]]
    stock: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Everything under `data/grammar/`: topics and talk per world, lines and intents per concept, system prompts per concept."""

    topics: Mapping[str, tuple[Topic, ...]]
    talk: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, Mapping[str, Lines]]
    intents: Mapping[str, tuple[str, ...]]
    systems: Mapping[str, Mapping[str, Sequence[str]]]


def pick(options: Sequence[Any], rng: Rng) -> Any:
    """Return one of `options`, each equally likely."""
    return options[int(rng.integers(len(options)))]


def expand(template: str, slots: Slots, rng: Rng) -> str:
    """Return one sentence of `template`: alternatives drawn, slots filled (recursively), articles and capitals repaired.

    Raises:
        DataError: a slot has no value, or slots refer to each other in a circle.
    """
    text = template
    for _ in range(_MAX_STEPS):
        if found := _CHOICE.search(text):
            value = pick(found.group(1).split("|"), rng)
        elif found := _SLOT.search(text):
            value = _fill(found.group(1), template, slots, rng)
        else:
            return _polish(text)
        text = text[: found.start()] + value + text[found.end() :]
    raise DataError(f"grammar template {template!r}: still not expanded after {_MAX_STEPS} steps; slots refer to each other in a circle")


def _fill(name: str, template: str, slots: Slots, rng: Rng) -> str:
    if name == "number":
        return str(int(rng.integers(2, 99)))
    if name == "year":
        return str(int(rng.integers(1870, 2019)))
    if name == "percent":
        return f"{int(rng.integers(3, 98))} percent"
    value = slots.get(name)
    if value is None and name.endswith("_bare"):
        value = slots.get(name.removesuffix("_bare"))
        if isinstance(value, str):
            value = _ARTICLE.sub("", value)
    if value is None:
        raise DataError(f"grammar template {template!r}: slot {{{name}}} has no value; known: {', '.join(sorted(slots))}")
    return value if isinstance(value, str) else pick(value, rng)


def _polish(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.;:!?])", r"\1", text)
    text = _DOUBLE.sub(r"\1 ", text)
    text = _NEEDS_AN.sub(r"\1n ", text)
    text = _NEEDS_A.sub(r"\1 ", text)
    return _START.sub(lambda m: m.group(1) + m.group(2).upper(), text)


def load_grammar(root: Path | None = None) -> Grammar:
    """Return the grammar read from `root` (default: the shipped `data/grammar`).

    Raises:
        DataError: a file is missing or does not have the expected parts.
    """
    folder = root or data_root() / "grammar"
    topics: dict[str, list[Topic]] = {world: [] for world in WORLDS}
    for domain, entry in _read(folder / "topics.yaml")["domains"].items():
        for slots in entry["topics"]:
            key = _ARTICLE.sub("", slots["topic"]).lower().replace(" ", "-")
            for world in entry["worlds"]:
                topics[world].append(Topic(key, domain, slots))
    lines, intents = {}, {}
    for concept in CONCEPTS:
        path = folder / "concepts" / f"{concept}.yaml"
        content = _read(path)
        intents[concept] = tuple(content["intents"])
        lines[concept] = {world: _lines(content["worlds"], world, path) for world in WORLDS}
    return Grammar(
        topics={world: tuple(found) for world, found in topics.items()},
        talk=_read(folder / "worlds.yaml"),
        lines=lines,
        intents=intents,
        systems=_read(folder / "systems.yaml"),
    )


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); the grammar needs all files of data/grammar") from error
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not valid YAML: {error}") from error


def _lines(worlds: Mapping[str, Any], world: str, path: Path) -> Lines:
    try:
        part = worlds[world]
        violating = part["violating"]
        return Lines(
            lexicon=part["lexicon"],
            strong={facet: tuple(both["strong"]) for facet, both in violating.items()},
            mild={facet: tuple(both["mild"]) for facet, both in violating.items()},
            near_miss={kind: tuple(found) for kind, found in part["near_miss"].items()},
            stock=tuple(part["stock"]),
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: world {world!r} lacks {error}; expected lexicon, violating (facets with strong and mild), near_miss, stock"
        ) from error
