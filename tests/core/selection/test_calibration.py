"""Iso-KL search: the strength found has the target's KL, on curves of many shapes; what cannot be reached says so."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.selection import calibrate


def counted(curve):
    calls = []

    def measure(strengths):
        calls.append(list(strengths))
        return [curve(strength) for strength in strengths]

    return measure, calls


@given(st.floats(0.5, 4), st.floats(0.05, 50), st.floats(0.01, 3), st.sampled_from([1.0, 10.0]), st.sampled_from([0.2, 0.05, 0.005]))
def test_the_strength_found_has_the_kl_that_was_asked_for(power, size, target, largest, tolerance):
    curve = lambda strength: size * strength**power  # noqa: E731
    [found] = calibrate(lambda strengths: [curve(s) for s in strengths], [target], largest, tolerance)
    if target > curve(largest):
        assert found.strength is None and "out of reach" in found.reason
    else:
        assert 0 < found.strength <= largest
        assert abs(curve(found.strength) / target - 1) <= tolerance
        assert found.kl == curve(found.strength) and found.reason is None


@pytest.mark.parametrize("target", [0.05, 0.3, 1.0, 4.0])
def test_a_saturating_and_a_kinked_curve_are_searched_too(target):
    for curve in (lambda s: 5 * math.tanh(s) ** 2, lambda s: max(0.0, s - 0.8) * 9, lambda s: 1e-6 * s + max(0, s - 3) ** 3):
        [found] = calibrate(lambda strengths, curve=curve: [curve(s) for s in strengths], [target], 10, 0.05)
        assert abs(curve(found.strength) / target - 1) <= 0.05


def test_the_least_strength_is_found_where_the_curve_falls_again():
    curve = lambda strength: math.sin(strength) ** 2 * 2  # noqa: E731
    [found] = calibrate(lambda strengths: [curve(s) for s in strengths], [1.0], 1.5, 0.01)
    assert found.strength == pytest.approx(math.asin(math.sqrt(0.5)), rel=0.02)


def test_several_targets_share_the_first_look_and_each_round():
    measure, calls = counted(lambda strength: 3 * strength**2)
    found = calibrate(measure, [0.1, 0.3, 1.0, 2.0], 1.0, 0.02)
    assert all(abs(one.kl / one.target - 1) <= 0.02 for one in found)
    # A pure power is met by the first interpolation: one look of three rungs, two more up the dial, and one round for all four.
    assert [len(call) for call in calls] == [3, 2, 1, 4]


def test_a_target_beyond_the_dial_says_how_far_it_goes():
    [found] = calibrate(lambda strengths: [0.2 * s for s in strengths], [3.0], 1.0)
    assert (found.strength, found.kl) == (None, None)
    assert "3 nats" in found.reason and "0.2" in found.reason and "ends at 1" in found.reason
    assert [trial.strength for trial in found.trials][-1] == 1.0


def test_a_jump_over_the_target_is_told_and_not_papered_over():
    [found] = calibrate(lambda strengths: [0.0 if s < 0.37 else 9.0 for s in strengths], [1.0], 1.0)
    assert found.strength is None and "jumps from 0" in found.reason


def test_numbers_that_are_not_finite_count_as_too_far():
    curve = lambda strength: strength**2 if strength < 2 else float("nan")  # noqa: E731
    [found] = calibrate(lambda strengths: [curve(s) for s in strengths], [1.0], 10.0, 0.01)
    assert found.strength == pytest.approx(1, rel=0.01)
