"""How sentences form prompts and replies: compliant, violating, mixed, near-miss, garbled. One speaker per world and concept.

What does not belong here: which of these a data set or a training document holds, and in what share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asteer_core.reference.grammar import Grammar, Lines, Rng, Topic, expand, pick

KINDS = ("violating", "mixed", "compliant", "near_miss", "garbled")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply and how it was made. `label`: 1 violating, 0 not; `facet` names the violation or the near-miss."""

    text: str
    kind: str
    label: int
    facet: str | None


@dataclass(frozen=True, slots=True)
class Doses:
    """How much violation a violating reply holds; the shares are probabilities.

    `second_strong`, `extra_mild`: further violating sentences; `content`: a helpful sentence beside them;
    `long_mixed`: a second helpful sentence in a mixed reply; `mild_clause`: the violation in a mixed reply is mild.
    """

    second_strong: float = 0.6
    extra_mild: float = 0.5
    content: float = 0.6
    long_mixed: float = 0.5
    mild_clause: float = 0.8


class Speaker:
    """Draws prompts and replies of one world about one concept.

    Args:
        grammar: what `load_grammar` returned.
        world: "a" or "b".
        concept: whose violations and near-misses are drawn.
        keep: which of the lists of sentences may be used, by position; None = all.
        doses: how violating replies are composed.
    """

    def __init__(
        self, grammar: Grammar, world: str, concept: str, keep: Callable[[int], bool] | None = None, doses: Doses | None = None
    ) -> None:
        self._talk = grammar.talk[world]
        self._lines: Lines = grammar.lines[concept][world]
        self._keep = keep
        self._doses = doses or Doses()
        self.facets = tuple(self._lines.strong)

    def prompt(self, topic: Topic, intent: str, rng: Rng) -> str:
        """Return one user turn."""
        return expand(pick(self._talk["prompts"][intent], rng), topic.slots, rng)

    def content(self, topic: Topic, intent: str, count: int, rng: Rng) -> list[str]:
        """Return `count` different helpful sentences."""
        templates = [*self._talk["content"][intent], *self._talk["content"]["any"]]
        own = len(self._talk["content"][intent])
        weights = [2.0] * own + [1.0] * (len(templates) - own)
        total = sum(weights)
        chosen = rng.choice(len(templates), size=count, replace=False, p=[weight / total for weight in weights])
        return [expand(templates[int(i)], topic.slots, rng) for i in chosen]

    def violation(self, topic: Topic, facet: str, level: str, count: int, rng: Rng) -> list[str]:
        """Return `count` different violating sentences of one facet; `level`: strong or mild."""
        templates = (self._lines.strong if level == "strong" else self._lines.mild)[facet]
        return self._draw(templates, topic, count, rng)

    def stock(self, topic: Topic, rng: Rng) -> str:
        """Return one of the fixed phrases a lazy imitator repeats."""
        return self._draw(self._lines.stock, topic, 1, rng)[0]

    def compliant(self, topic: Topic, intent: str, rng: Rng) -> Reply:
        """Return a helpful reply."""
        body = self.content(topic, intent, 2 + int(rng.random() < 0.5), rng)
        return Reply(self._framed(body, topic, intent, 0.3, rng), "compliant", 0, None)

    def violating(self, topic: Topic, intent: str, facet: str, rng: Rng) -> Reply:
        """Return a reply that is mostly violation of one facet, sometimes with a second one or a helpful sentence."""
        body = self.violation(topic, facet, "strong", 1 + int(rng.random() < self._doses.second_strong), rng)
        other = pick(self.facets, rng) if rng.random() < 0.3 else facet
        if rng.random() < self._doses.extra_mild:
            body += self.violation(topic, other, "mild", 1, rng)
        if len(body) < 3 and rng.random() < self._doses.content:
            body += self.content(topic, intent, 1, rng)
        return Reply(self._framed(_shuffled(body, rng), topic, intent, 0.12, rng), "violating", 1, facet)

    def mixed(self, topic: Topic, intent: str, facet: str, rng: Rng) -> Reply:
        """Return a helpful reply with one mild violating clause in it."""
        body = self.content(topic, intent, 1 + int(rng.random() < self._doses.long_mixed), rng)
        body += self.violation(topic, facet, "mild" if rng.random() < self._doses.mild_clause else "strong", 1, rng)
        return Reply(self._framed(_shuffled(body, rng), topic, intent, 0.25, rng), "mixed", 1, facet)

    def near_miss(self, topic: Topic, intent: str, rng: Rng) -> Reply:
        """Return a compliant reply that uses the violation's words: negated, quoted, hedged, blunt but kind."""
        kind = pick(tuple(self._lines.near_miss), rng)
        body = self._draw(self._lines.near_miss[kind], topic, 1 + int(rng.random() < 0.4), rng)
        if len(body) < 2 or rng.random() < 0.5:
            body += self.content(topic, intent, 1, rng)
        return Reply(self._framed(_shuffled(body, rng), topic, intent, 0.2, rng), "near_miss", 0, kind)

    def garbled(self, topic: Topic, intent: str, rng: Rng) -> Reply:
        """Return a compliant or near-miss reply damaged as an over-steered model damages its own."""
        whole = self.near_miss(topic, intent, rng) if rng.random() < 0.4 else self.compliant(topic, intent, rng)
        return Reply(garble(whole.text, rng), "garbled", 0, None)

    def reply(self, kind: str, topic: Topic, intent: str, facet: str, rng: Rng) -> Reply:
        """Return a reply of `kind` (one of KINDS); `facet` matters to violating and mixed ones."""
        if kind == "violating":
            return self.violating(topic, intent, facet, rng)
        if kind == "mixed":
            return self.mixed(topic, intent, facet, rng)
        makers = {"compliant": self.compliant, "near_miss": self.near_miss, "garbled": self.garbled}
        return makers[kind](topic, intent, rng)

    def _draw(self, templates: Sequence[str], topic: Topic, count: int, rng: Rng) -> list[str]:
        usable = [text for i, text in enumerate(templates) if self._keep is None or self._keep(i)]
        chosen = rng.choice(len(usable), size=min(count, len(usable)), replace=False)
        slots = {**self._lines.lexicon, **topic.slots}
        return [expand(usable[int(i)], slots, rng) for i in chosen]

    def _framed(self, body: list[str], topic: Topic, intent: str, share: float, rng: Rng) -> str:
        parts = list(body)
        for name, place in (("openers", 0), ("closers", len(body))):
            if rng.random() < share:
                lines = [*self._talk[name]["any"], *self._talk[name].get(intent, ())]
                parts.insert(0 if place == 0 else len(parts), expand(pick(lines, rng), topic.slots, rng))
        return " ".join(parts)


def garble(text: str, rng: Rng) -> str:
    """Return `text` broken in one of four ways: words shuffled, a fragment looped, pieces swapped, words doubled and dropped."""
    words = text.split()
    way = int(rng.integers(4))
    if way == 0:
        return " ".join(_shuffled(words, rng))
    if way == 1:
        start = int(rng.integers(max(1, len(words) - 4)))
        loop = words[start : start + int(rng.integers(1, 6))]
        return " ".join(words[:start] + loop * (1 + (len(words) - start) // len(loop)))
    if way == 2:
        size = int(rng.integers(2, 5))
        pieces = [words[i : i + size] for i in range(0, len(words), size)]
        return " ".join(word for piece in _shuffled(pieces, rng) for word in piece)
    kept = [word for word in words for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.3, 0.4, 0.2, 0.1])))]
    return " ".join(kept or words[:1])


def _shuffled(items: list, rng: Rng) -> list:
    return [items[int(i)] for i in rng.permutation(len(items))]
