"""Templates expand as written: alternatives, slots, articles, capitals, and errors that name the template."""

import numpy as np
import pytest

from asteer_core.errors import DataError
from asteer_core.reference.grammar import CONCEPTS, INTENTS, WORLDS, expand, load_grammar


def test_alternatives_and_slots_are_filled_recursively():
    slots = {"topic": "bread", "do": "bake {topic}", "adverb": ["slowly"]}
    texts = {expand("{do} (well|{adverb}), please.", slots, np.random.default_rng(seed)) for seed in range(30)}
    assert texts == {"Bake bread well, please.", "Bake bread slowly, please."}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("you need a {tool}.", "You need an oven."),
        ("an {part} helps. so does time.", "A starter helps. So does time."),
        ("my {topic} failed.", "My sourdough failed."),
        ("(|)'{part}' is quoted.", "'Starter' is quoted."),
        ("hands on {place_bare}.", "Hands on kitchen."),
    ],
)
def test_articles_and_capitals_are_repaired(template, text):
    slots = {"tool": "oven", "part": "starter", "topic": "a sourdough", "place": "a kitchen"}
    assert expand(template, slots, np.random.default_rng(0)) == text


def test_equal_seeds_give_equal_sentences():
    draw = [expand("(a|b|c|d|e) {number} {year} {percent}", {}, np.random.default_rng(7)) for _ in range(2)]
    assert draw[0] == draw[1]


def test_an_unknown_slot_names_the_template_and_the_known_slots():
    with pytest.raises(DataError, match=r"Fix the \{tol\}.*tool"):
        expand("Fix the {tol}.", {"tool": "lamp"}, np.random.default_rng(0))


def test_slots_that_refer_to_each_other_are_refused():
    with pytest.raises(DataError, match="circle"):
        expand("{a}", {"a": "{b}", "b": "{a}"}, np.random.default_rng(0))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="topics.yaml"):
        load_grammar(tmp_path)


def test_every_shipped_template_expands_for_every_topic_of_its_world():
    grammar = load_grammar()
    rng = np.random.default_rng(0)
    for world in WORLDS:
        talk = grammar.talk[world]
        shared = [line for part in ("prompts", "content", "openers", "closers") for lines in talk[part].values() for line in lines]
        for topic in grammar.topics[world][::7]:
            for line in shared:
                assert "{" not in expand(line, topic.slots, rng)
            for concept in CONCEPTS:
                lines = grammar.lines[concept][world]
                own = [
                    *lines.stock,
                    *(text for group in (lines.strong, lines.mild, lines.near_miss) for texts in group.values() for text in texts),
                ]
                for line in own:
                    assert "{" not in expand(line, {**lines.lexicon, **topic.slots}, rng)


def test_worlds_have_the_promised_size():
    grammar = load_grammar()
    domains = {world: {topic.domain for topic in grammar.topics[world]} for world in WORLDS}
    assert [len(domains["a"]), len(domains["b"]), len(domains["a"] & domains["b"])] == [28, 16, 8]
    assert len({topic.key for world in WORLDS for topic in grammar.topics[world]}) == 180
    for concept in CONCEPTS:
        assert set(grammar.intents[concept]) <= set(INTENTS)
        assert grammar.lines[concept]["a"].strong.keys() == grammar.lines[concept]["b"].strong.keys()
        assert set(grammar.systems[concept]["facets"]) <= grammar.lines[concept]["a"].strong.keys()
