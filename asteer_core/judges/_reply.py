"""From a judge model's reply to two grades, or the reason why there are none.

The reply is untrusted twice over: the model may err, and it may copy what the judged text told it to say. Only a JSON object that
carries the ticket of the question counts. Not here: asking (`_endpoint.py`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from asteer_core.judges._rubric import AXES, TOP

# Linear in the length of any text, which a JSON parser started at every brace is not.
_FLAT = re.compile(r"\{[^{}]*\}")
LONGEST_REPLY = 8_000
"""Characters; a verdict has about eighty."""


@dataclass(frozen=True, slots=True)
class Grades:
    """The grades of one response, each 0, 1 or 2."""

    success: int
    coherence: int


class UnreadableReply(Exception):
    """A reply without a valid verdict; the text is a short reason that quotes nothing of the reply."""


def read_reply(text: str, ticket: str) -> Grades:
    """Return the grades in a reply. Text around the object, and objects without the ticket, are passed over.

    Raises:
        UnreadableReply: no object carries the ticket, two of them disagree, or a grade is missing or not 0, 1 or 2.
    """
    if len(text) > LONGEST_REPLY:
        raise UnreadableReply("reply too long")
    objects = _objects(text)
    verdicts = [one for one in objects if one.get("ticket") == ticket]
    if not verdicts:
        raise UnreadableReply("no JSON object" if not objects else "no object with the ticket")
    found = {_grades(one) for one in verdicts}
    if len(found) > 1:
        raise UnreadableReply("two verdicts")
    return found.pop()


def _grades(verdict: dict[str, Any]) -> Grades:
    values = []
    for axis in AXES:
        value = verdict.get(axis)
        if value is None:
            raise UnreadableReply(f"{axis} missing")
        # bool is a subclass of int in Python, and 1.0 or "1" is not what was asked for.
        if type(value) is not int:
            raise UnreadableReply(f"{axis} is not an integer")
        if not 0 <= value <= TOP:
            raise UnreadableReply(f"{axis} out of range")
        values.append(value)
    return Grades(*values)


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a text that hold no other object, in order; a verdict is one."""
    found = []
    for piece in _FLAT.findall(text):
        try:
            found.append(json.loads(piece, object_pairs_hook=_without_repeats, parse_constant=_refuse))
        except ValueError:
            continue
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
