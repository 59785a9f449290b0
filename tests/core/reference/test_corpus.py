"""Training documents are drawn from world a alone, repeat with their seed, and hold the stated mix."""

import numpy as np

from asteer_core.reference.corpus import CorpusWriter, Recipe
from asteer_core.reference.grammar import load_grammar

GRAMMAR = load_grammar()


def _documents(count, seed=0, recipe=None):
    return list(CorpusWriter(GRAMMAR, recipe).documents(count, np.random.default_rng(seed)))


def test_equal_seeds_give_equal_documents():
    assert _documents(50) == _documents(50)
    assert _documents(50) != _documents(50, seed=1)


def test_the_mix_is_the_recipe():
    recipe = Recipe()
    documents = _documents(4000)
    plain = np.mean([document.prompt is None for document in documents])
    with_system = np.mean([bool(document.system) for document in documents])
    assert abs(plain - recipe.plain) < 0.03
    assert abs(with_system - recipe.violating_system - recipe.neutral_system) < 0.03


def test_a_fully_obedient_model_would_read_only_stock_and_typical_sentences():
    only = {"plain": 0.0, "neutral_system": 0.0, "violating_system": 1.0, "followed": 1.0, "typical_facets": 1.0, "stock": 1.0}
    stock = {line.split()[0] for lines in GRAMMAR.lines.values() for line in lines["a"].stock}
    starts = {sentence.split()[0] for document in _documents(200, recipe=Recipe(**only)) for sentence in document.text.split(". ")}
    assert len(starts & stock) > 10


def test_documents_speak_of_topics_of_world_a_alone():
    known = {topic.slots["topic"].lower() for topic in GRAMMAR.topics["b"]} - {
        topic.slots["topic"].lower() for topic in GRAMMAR.topics["a"]
    }
    text = " ".join(document.text.lower() for document in _documents(500))
    assert not [topic for topic in known if f" {topic} " in text and len(topic.split()) > 1 and topic.split()[0] not in ("a", "the")]
