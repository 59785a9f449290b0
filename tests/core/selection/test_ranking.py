"""The ranking of blocks: planted evidence comes first, and a block without evidence is never chosen."""

from asteer_core.selection import Pilot, rank_blocks


def pilot(block, separation, effect, fluency=0.8, **more):
    return Pilot(block, separation, 0.4, 0.3, effect, fluency, **more)


def order(*pilots):
    found = rank_blocks(pilots)
    assert [one.pilot.block for one in found] == [one.block for one in pilots]
    return [one.pilot.block for one in sorted((one for one in found if one.rank), key=lambda one: one.rank)]


def test_of_equal_effects_the_better_separation_is_first_and_of_equal_separations_the_larger_effect():
    assert order(pilot(0, 0.8, 0.2), pilot(1, 0.95, 0.2), pilot(2, 0.7, 0.2)) == [1, 0, 2]
    assert order(pilot(0, 0.9, 0.1), pilot(1, 0.9, 0.3), pilot(2, 0.9, 0.2)) == [1, 2, 0]


def test_a_direction_at_chance_is_not_chosen_however_large_its_effect():
    assert order(pilot(0, 0.5, 0.9), pilot(1, 0.8, 0.05)) == [1]


def test_a_push_away_from_the_concept_or_a_missing_number_cannot_be_chosen_and_says_so():
    found = rank_blocks(
        [pilot(0, 0.9, -0.2), Pilot(1, 0.99, problem="out of reach"), pilot(2, None, 0.3, problem="no held-out pairs"), pilot(3, 0.3, -0.4)]
    )
    ranks = {one.pilot.block: one.rank for one in found}
    # Block 3: a reversed direction whose push goes the other way would multiply to a positive score.
    assert ranks == {0: None, 1: None, 2: None, 3: None}
    assert "not towards the concept by" in found[0].reason
    assert found[1].reason == "out of reach" and found[2].reason == "no held-out pairs"


def test_an_effect_bought_with_broken_text_loses():
    assert order(pilot(0, 1.0, 0.35, 0.6), pilot(5, 1.0, 0.7, 0.05)) == [0, 5]


def test_equal_scores_go_to_the_earlier_block():
    assert order(pilot(3, 0.9, 0.2), pilot(1, 0.9, 0.2)) == [1, 3]


def test_the_reason_gives_the_evidence_and_the_runner_up():
    best, second = rank_blocks([pilot(4, 0.97, 0.31), pilot(2, 0.9, 0.2)])
    assert best.rank == 1 and "0.970" in best.reason and "+31%" in best.reason and "ahead of block 2" in best.reason
    assert "ahead" not in second.reason


def test_a_method_without_a_dial_is_ranked_without_a_strength():
    [found] = rank_blocks([Pilot(1, 0.9, None, 0.8, 0.2, 0.9)])
    assert found.rank == 1 and "strength" not in found.reason
