"""The card: a plain record of what is known of a vector, honest about what is not."""

import dataclasses
import json

import numpy as np
import pytest

from asteer_core.selection import card, cosines, is_weak
from asteer_core.types import SteeringVector


def vector(method="caa", block=2, separation=0.9, direction=(1.0, 0.0, 0.0), concept="toxicity", **metadata):
    array = np.array(direction, dtype=np.float32)
    return SteeringVector(concept, "m", method, block, array / np.linalg.norm(array), 3.0, separation, metadata=metadata)


def test_a_card_is_plain_data_and_keeps_what_the_method_tells():
    found = card(vector(pairs_used=40, tokens_towards=["a", "<b>"], separation_by_block={"0": 0.6, "2": 0.9, "3": None}, energy_share=0.4))
    assert found.separation_by_block == {0: 0.6, 2: 0.9, 3: None} and found.tokens_towards == ("a", "<b>")
    assert found.facts == {"energy_share": 0.4} and found.pairs_used == 40
    json.dumps(dataclasses.asdict(found))


def test_a_vector_from_elsewhere_has_a_card_of_what_is_known():
    found = card(vector(separation=None))
    assert (found.norm_share, found.separation_by_block, found.tokens_away, found.pairs_used) == (None, {}, (), None)
    assert found.weak and "no held-out pairs" in found.verdict


@pytest.mark.parametrize(("separation", "weak"), [(0.71, False), (0.7, False), (0.69, True), (0.2, True), (None, True)])
def test_weak_is_below_the_threshold_or_unknown(separation, weak):
    assert is_weak(vector(separation=separation), 0.7) is weak
    assert card(vector(separation=separation), min_separation=0.7).verdict.startswith("weak") is weak


def test_no_separation_is_expected_of_a_random_direction():
    assert is_weak(vector("random", separation=0.5)) is None and "control" in card(vector("random", separation=0.5)).verdict


def test_cosines_are_to_the_same_concept_model_and_block_alone():
    own = vector()
    others = {
        "same": vector("pca", direction=(1, 1, 0)),
        "opposite": vector("probe", direction=(-2, 0, 0)),
        "block": vector("pca", block=1),
        "concept": vector("pca", concept="evasion"),
        "width": vector("pca", direction=(1, 0, 0, 0)),
    }
    assert cosines(own, others) == pytest.approx({"same": 0.5**0.5, "opposite": -1.0})
