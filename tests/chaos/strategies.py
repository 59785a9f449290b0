"""Inputs as careless or hostile people write them, and the one contract they are held to."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from asteer_core.errors import AsteerError

FULL = os.environ.get("ASTEER_CHAOS_BUDGET") == "full"
SECONDS = 20.0
"""Longest a case may take on a loaded machine; a hang takes for ever."""
cases: Counter[str] = Counter()

NASTY = (
    "../x", "..", ".", "/etc/passwd", "a/b", "a\\b", "C:x", "", " ", "\0",
    "a\0b", "\x1b[31m", "\u202etxt", "\u2028", "\ud7ff", "\U0010ffff",
    "'; DROP TABLE responses; --", '" OR 1=1', "%s%n{0}{x.__class__}", "{{7*7}}", "${HOME}", "$(id)", "`id`", "=1+1",
    "<script>alert(1)</script>",
    "a" * 300, "CON", "name|other", "name:other", "name~other", "name#x", "-rf", "*", "[a]", "?", "é", "NaN", "null", "1e999", "9" * 5000,
)  # fmt: skip
words = st.sampled_from(NASTY) | st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def budget(ci: int) -> settings:
    """Return the settings of a test of so many cases in CI, and twenty times as many in the full budget."""
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=ci * 20 if FULL else ci, deadline=None, suppress_health_check=slow)


def ends(what: str, call: Callable[[], Any], *places: str) -> Any:
    """Return what the call returned, or the AsteerError it raised, which names one of `places`; anything else leaves as it is."""
    cases[what] += 1
    began = time.monotonic()
    try:
        found = call()
    except AsteerError as error:
        found = error
    if isinstance(found, AsteerError) and places and not any(place in str(found) for place in places):
        raise AssertionError(f"no location in: {found}")
    took = time.monotonic() - began
    assert took < SECONDS, f"{what} took {took:.1f} s"
    return found


@st.composite
def changed(draw: st.DrawFn, whole: Any) -> Any:
    """Return a copy of a document in which one to three places hold something else, or are gone, or are new."""
    document = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        owners = list(_containers(document))
        if not owners:
            break
        owner = draw(st.sampled_from(owners))
        keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
        action = draw(st.sampled_from(("set", "set", "set", "drop", "add")))
        if action == "add" or not keys:
            owner.append(draw(values)) if isinstance(owner, list) else owner.update({draw(words): draw(values)})
        elif action == "drop":
            del owner[draw(st.sampled_from(keys))]
        else:
            owner[draw(st.sampled_from(keys))] = draw(values)
    return document


def _containers(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


@st.composite
def corrupted(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return a file's bytes cut, with a few of them changed, or with some put in."""
    content = bytearray(whole)
    place = int(draw(st.floats(0, 1, exclude_max=True)) * max(1, len(content)))
    new = draw(
        st.binary(min_size=1, max_size=9) | st.sampled_from([b"\0" * 8, b"\xff" * 8, "\u2028".encode(), b"\r", b'"', b"{", b"\xed\xa0\x80"])
    )
    match draw(st.sampled_from(("cut", "change", "insert"))):
        case "cut":
            del content[place:]
        case "change":
            content[place : place + len(new)] = new
        case _:
            content[place:place] = new
    return bytes(content)
