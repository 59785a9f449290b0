"""Proposals between the points of a grid: where they lie, that a seed repeats them, and ranges that nobody can search."""

import pytest

from asteer_core.choosing import parse_budget
from asteer_core.errors import ConfigError
from asteer_core.search import SearchSettings
from asteer_core.search.continuous import propose
from asteer_core.types import Configuration, Sampling

GRID = ["m:caa:L01:s0.20", "m:caa:L01:s0.60", "m:caa:L02:s0.20", "m:angular:L02:s0.30", "m:angular:L02:s0.85"]
SPANS = {"temperature": (0.6, 1.2), "top_p": (0.8, 1.0)}


def worth(key):
    """Return a score that rises with strength, and towards a temperature of .7: what a search should find."""
    found = Configuration.parse("any", key)
    return float(found.strength or 0) - abs((found.temperature or 0.7) - 0.7)


def proposals(**changes):
    return propose(GRID, **{"count": 24, "score": worth, "seed": 3, "spans": SPANS} | changes)


def test_proposals_lie_inside_the_grid_and_the_stated_ranges_and_none_repeats():
    found = [Configuration.parse("any", key) for key in proposals()]
    assert len({one.key for one in found}) == len(found) == 24
    for one in found:
        low, high = {"caa": (0.2, 0.6), "angular": (0.3, 0.85)}[one.method]
        assert low <= one.strength <= high and (one.method, one.layer) != ("angular", 1)
        assert 0.6 <= one.temperature <= 1.2 and 0.8 <= one.top_p <= 1
    # More than the ends of the ranges, or no range was searched.
    assert len({one.temperature for one in found}) > 10 and len({one.top_p for one in found}) > 10


def test_without_ranges_the_sampling_stays_the_studys_and_one_range_alone_leaves_the_other():
    assert all(Configuration.parse("any", key).sampled(Sampling(top_p=0.5)) == Sampling(top_p=0.5) for key in proposals(spans=None))
    alone = [Configuration.parse("any", key) for key in proposals(spans={"top_p": (0.8, 0.9)})]
    assert all(one.temperature is None and 0.8 <= one.top_p <= 0.9 for one in alone)


def test_the_same_seed_and_scores_give_the_same_proposals_and_another_seed_others():
    assert proposals() == proposals()
    assert proposals() != proposals(seed=4)


def test_scores_steer_the_proposals():
    early, late = proposals(count=60)[:15], proposals(count=60)[-15:]
    assert sum(map(worth, late)) > sum(map(worth, early))


def test_a_value_that_is_rounded_stays_inside_its_range():
    span = (0.81234, 0.81236)
    assert {Configuration.parse("any", key).top_p for key in proposals(spans={"top_p": span}, count=4)} <= {*span, 0.81235}


def test_an_undefined_score_is_the_worst_and_a_grid_of_one_point_ends():
    assert len(propose(["m:caa:L01:s0.40"], 5, lambda key: None, 0)) == 1


def test_a_method_without_a_dial_is_proposed_without_a_strength_and_with_a_sampling():
    found = [
        Configuration.parse("any", key) for key in propose(["m:ablation:L01", "m:sae:L01:s0.30", "m:sae:L01:s0.50"], 12, worth, 0, SPANS)
    ]
    assert {one.method for one in found} == {"ablation", "sae"} and len(found) == 12
    assert all((one.strength is None) == (one.method == "ablation") for one in found)


def test_what_a_grid_leaves_open_cannot_be_searched_between():
    with pytest.raises(ConfigError, match="plain strengths"):
        propose(["m:caa:L01:k0.30"], 2, lambda key: 1.0, 0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"temperature": (1.2, 0.6)}, r"temperature in '1.2,0.6': expected the lowest and the highest value, from 0.05 to 5"),
        ({"temperature": (0.7,)}, "lowest and the highest"),
        ({"temperature": (0.0, 1.0)}, "from 0.05"),
        ({"top_p": (0.8, 1.1)}, "top_p in '0.8,1.1'.*to 1"),
        ({"top_p": (float("nan"), 1.0)}, "top_p in 'nan,1'"),
        ({"trials": 0}, "at least 1"),
        ({"temperature": (0.6, 1.2), "sampler": "grid"}, "temperature: .*--sampler tpe"),
        ({"trials": 5, "top_p": (0.8, 1.0), "sampler": "grid"}, "top_p and trials: .*--sampler tpe"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused_with_what_is_expected(changes, message):
    with pytest.raises(ConfigError, match=message):
        SearchSettings(parse_budget("40"), **{"sampler": "tpe"} | changes)
