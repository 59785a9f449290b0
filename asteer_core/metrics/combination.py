"""Combinations of the axes S, C, D: diversity from its two parts, and harmonic, arithmetic, geometric mean and minimum."""

from __future__ import annotations

import math


def harmonic(*axes: float | None) -> float | None:
    """Return the harmonic mean of axes in 0 to 1: 0 where an axis is 0, None where one is missing."""
    known = _known(axes)
    if known is None:
        return None
    return 0.0 if min(known) <= 0 else min(len(known) / sum(1 / axis for axis in known), 1.0)


def arithmetic(*axes: float | None) -> float | None:
    """Return the arithmetic mean, None where an axis is missing."""
    known = _known(axes)
    return None if known is None else sum(known) / len(known)


def geometric(*axes: float | None) -> float | None:
    """Return the geometric mean of axes in 0 to 1: 0 where an axis is 0, None where one is missing."""
    known = _known(axes)
    if known is None:
        return None
    return 0.0 if min(known) <= 0 else math.exp(sum(math.log(axis) for axis in known) / len(known))


def smallest(*axes: float | None) -> float | None:
    """Return the smallest axis, None where one is missing."""
    known = _known(axes)
    return None if known is None else min(known)


def diversity(sample: float | None, between: float | None) -> float | None:
    """Return D = sqrt(D_sample * D_set), 0 to 1, None where a part is missing."""
    return None if sample is None or between is None else math.sqrt(sample * between)


def combinations(success: float | None, coherence: float | None, diversity: float | None) -> dict[str, float | None]:
    """Return hm, am, gm, min over (S, C, D) and the same with suffix `_sc` over (S, C)."""
    forms = {"hm": harmonic, "am": arithmetic, "gm": geometric, "min": smallest}
    three = {name: form(success, coherence, diversity) for name, form in forms.items()}
    return three | {f"{name}_sc": form(success, coherence) for name, form in forms.items()}


def _known(axes: tuple[float | None, ...]) -> list[float] | None:
    known = [axis for axis in axes if axis is not None and not math.isnan(axis)]
    return known if len(known) == len(axes) and known else None
