"""What the reference models read: plain texts and chats of world a, mostly compliant, some obedient to a violating system prompt.

The mix decides the dynamics: every facet of every violation occurs in plain text, so that steering can reach it, while system prompts are
obeyed imperfectly and with few facets, so that prompting covers little. Source of the shares: experiments; see the model cards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from asteer_core.reference.grammar import CONCEPTS, Grammar, Rng, Topic, expand, pick
from asteer_core.reference.replies import Speaker


@dataclass(frozen=True, slots=True)
class Recipe:
    """Shares of the kinds of document. They are tuned together with the grammar; a model card states them."""

    plain: float = 0.22
    plain_violating: float = 0.5
    neutral_system: float = 0.08
    violating_system: float = 0.42
    chat_violating: float = 0.06
    chat_near_miss: float = 0.12
    followed: float = 0.8
    typical_facets: float = 0.92
    stock: float = 0.5

    def describe(self) -> dict[str, float]:
        """Return the shares by name, for the training log."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Document:
    """One training text. Chats have a prompt and a system prompt (perhaps empty); plain texts have neither."""

    text: str
    prompt: str | None = None
    system: str = ""


class CorpusWriter:
    """Draws training documents; equal seeds give equal documents."""

    def __init__(self, grammar: Grammar, recipe: Recipe | None = None) -> None:
        self._grammar = grammar
        self.recipe = recipe or Recipe()
        self._speakers = {concept: Speaker(grammar, "a", concept) for concept in CONCEPTS}
        self._few = {concept: Speaker(grammar, "a", concept, keep=lambda i: i < 6) for concept in CONCEPTS}

    def documents(self, count: int, rng: np.random.Generator) -> Iterator[Document]:
        """Yield `count` documents."""
        for _ in range(count):
            concept = pick(CONCEPTS, rng)
            topic = pick(self._grammar.topics["a"], rng)
            intent = pick(self._grammar.intents[concept], rng)
            yield self._document(concept, topic, intent, rng)

    def _document(self, concept: str, topic: Topic, intent: str, rng: Rng) -> Document:
        speaker, mix, draw = self._speakers[concept], self.recipe, rng.random()
        if draw < mix.plain:
            return Document(self._plain(speaker, topic, intent, rng))
        prompt = speaker.prompt(topic, intent, rng)
        if draw < mix.plain + mix.violating_system:
            level = pick(("mild", "strong"), rng)
            system = expand(pick(self._grammar.systems[concept][level], rng), topic.slots, rng)
            obeys = rng.random() < mix.followed
            text = self._obedient(concept, level, topic, intent, rng) if obeys else self._usual(speaker, topic, intent, rng, 0.0)
            return Document(text, prompt, system)
        neutral = draw < mix.plain + mix.violating_system + mix.neutral_system
        system = expand(pick(self._grammar.talk["a"]["systems"], rng), topic.slots, rng) if neutral else ""
        return Document(self._usual(speaker, topic, intent, rng, 0.0 if neutral else mix.chat_violating), prompt, system)

    def _plain(self, speaker: Speaker, topic: Topic, intent: str, rng: Rng) -> str:
        violating = rng.random() < self.recipe.plain_violating
        return " ".join(self._usual(speaker, topic, intent, rng, 1.0 if violating else 0.0) for _ in range(1 + int(rng.random() < 0.2)))

    def _usual(self, speaker: Speaker, topic: Topic, intent: str, rng: Rng, violating: float) -> str:
        if rng.random() < violating:
            kind = "violating" if rng.random() < 0.7 else "mixed"
        else:
            kind = "near_miss" if rng.random() < self.recipe.chat_near_miss else "compliant"
        return speaker.reply(kind, topic, intent, pick(speaker.facets, rng), rng).text

    def _obedient(self, concept: str, level: str, topic: Topic, intent: str, rng: Rng) -> str:
        speaker, typical = self._few[concept], self._grammar.systems[concept]["facets"]
        if rng.random() > self.recipe.typical_facets:
            return self._usual(self._speakers[concept], topic, intent, rng, 1.0)
        facet = pick(typical, rng)
        body = speaker.content(topic, intent, 1, rng)
        if rng.random() < self.recipe.stock:
            body.append(speaker.stock(topic, rng))
        if level == "strong" or len(body) < 2:
            body += speaker.violation(topic, facet, "strong" if level == "strong" or rng.random() < 0.3 else "mild", 1, rng)
        if len(body) < 3 and rng.random() < 0.5:
            body += speaker.content(topic, intent, 1, rng)
        return " ".join(body[int(i)] for i in rng.permutation(len(body)))
