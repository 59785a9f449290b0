"""The rows of a concept's four JSONL files, drawn from the grammar: groups, splits, and the share of each kind of reply.

A group is a world, a topic and an intent; it stands in exactly one split.
What does not belong here: sentences (`replies.py`), files (`build_concepts.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asteer_core.reference.grammar import Grammar, Rng, Topic
from asteer_core.reference.replies import Doses, Speaker

SEED = 20260
Row = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One split: its file, its share of the world's groups, and how many rows of each kind it holds at least."""

    file: str
    split: str
    world: str
    share: float
    kinds: Mapping[str, int]


POSITIVE = {"violating": 0.74, "mixed": 0.26}
NEGATIVE = {"compliant": 0.48, "near_miss": 0.35, "garbled": 0.17}
REAL_DOSES = Doses(second_strong=0.85, content=0.25, long_mixed=0.0, mild_clause=0.5)


def _kinds(positives: int, negatives: int) -> dict[str, int]:
    counts = {kind: round(positives * share) for kind, share in POSITIVE.items()}
    counts |= {kind: round(negatives * share) for kind, share in NEGATIVE.items()}
    return {kind: count for kind, count in counts.items() if count}


PARTS = (
    Part("pairs", "extraction", "a", 0.30, {"pair": 300}),
    Part("pairs", "extraction_heldout", "a", 0.08, {"pair": 80}),
    Part("prompts", "generation", "a", 0.34, {"prompt": 480}),
    Part("judge", "judge", "a", 0.18, _kinds(1000, 1000)),
    Part("real", "detector_negatives", "a", 0.10, _kinds(0, 450)),
    Part("real", "detector_negatives", "b", 0.18, _kinds(0, 550)),
    Part("real", "detector_positives", "b", 0.25, _kinds(640, 0)),
    Part("real", "validation", "b", 0.17, _kinds(240, 240)),
    Part("real", "test", "b", 0.40, _kinds(640, 640)),
)


def concept_rows(grammar: Grammar, concept: str, seed: int = SEED) -> dict[str, list[Row]]:
    """Return the rows of `pairs`, `prompts`, `judge` and `real` for one concept; equal seeds give equal rows."""
    files: dict[str, list[Row]] = {"pairs": [], "prompts": [], "judge": [], "real": []}
    groups = {world: _groups(grammar, concept, world, seed) for world in ("a", "b")}
    start = dict.fromkeys(groups, 0.0)
    texts: set[str] = set()
    for number, part in enumerate(PARTS):
        mine = groups[part.world]
        first, last = (round(len(mine) * edge) for edge in (start[part.world], start[part.world] + part.share))
        start[part.world] += part.share
        rng = _rng(seed, concept, part.file, part.split, part.world)
        speaker = Speaker(grammar, part.world, concept, doses=REAL_DOSES if part.world == "b" else None)
        for row in _rows(part, speaker, mine[first:last], texts, rng):
            files[part.file].append({"id": f"{concept}-{part.file}-{number}-{len(files[part.file]):04d}", **row})
    return files


def _groups(grammar: Grammar, concept: str, world: str, seed: int) -> list[tuple[str, Topic, str]]:
    every = [
        (f"{world}/{topic.key}/{intent}", topic, intent) for topic in grammar.topics[world] for intent in grammar.intents[concept]
    ]  # fmt: skip
    return [every[int(i)] for i in _rng(seed, concept, "groups", world).permutation(len(every))]


def _rows(part: Part, speaker: Speaker, groups: Sequence[tuple[str, Topic, str]], texts: set[str], rng: Rng) -> Iterator[Row]:
    for kind, count in part.kinds.items():
        for i in range(count):
            key, topic, intent = groups[i % len(groups)]
            facet = speaker.facets[i % len(speaker.facets)]
            base: Row = {"group": key, "split": part.split, "world": part.world}
            if kind == "prompt":
                yield base | {"prompt": _fresh(texts, lambda t=topic, n=intent: speaker.prompt(t, n, rng))}
            elif kind == "pair":
                prompt = speaker.prompt(topic, intent, rng)
                violating = _fresh(texts, lambda t=topic, n=intent, f=facet: speaker.violating(t, n, f, rng).text)
                compliant = _fresh(texts, lambda t=topic, n=intent: speaker.compliant(t, n, rng).text)
                yield base | {"prompt": prompt, "violating": violating, "compliant": compliant, "facet": facet}
            else:
                yield base | _labelled(kind, speaker, topic, intent, facet, texts, rng)


def _labelled(kind: str, speaker: Speaker, topic: Topic, intent: str, facet: str, texts: set[str], rng: Rng) -> Row:
    prompt = speaker.prompt(topic, intent, rng)
    while (reply := speaker.reply(kind, topic, intent, facet, rng)).text in texts:
        pass
    texts.add(reply.text)
    return {"prompt": prompt, "response": reply.text, "label": reply.label, "kind": reply.kind, "facet": reply.facet}


def _fresh(texts: set[str], draw: Callable[[], str]) -> str:
    while (text := draw()) in texts:
        pass
    texts.add(text)
    return text


def _rng(seed: int, *names: str) -> np.random.Generator:
    # Python's own hash differs between processes.
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
