"""The first screen: the answer in a sentence, the three questions, what to beware of, and four shares with their intervals.

Belongs here: what stands on it. Does not: the wording of an answer (`questions.py`) or of a caution (`cautions.py`).
"""

from dataclasses import dataclass
from typing import Any

from asteer_core.report.cautions import cautions
from asteer_core.report.facts import Facts
from asteer_core.report.findings import Statement
from asteer_core.report.numbers import percent, percent_span
from asteer_core.report.questions import ends_of, pooled, questions


@dataclass(frozen=True)
class Tile:
    """One headline number: its label, value, interval in words, and the three positions of its bar (0 to 1, None = none)."""

    label: str
    value: str
    interval: str
    bar: tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Headline:
    """What one detector kind says."""

    detector: str
    answer: str
    questions: tuple[Statement, ...]
    tiles: tuple[Tile, ...]
    cautions: tuple[Statement, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The answers, then the cautions."""
        return self.questions + self.cautions


def headline(facts: Facts, detector: str) -> Headline:
    """Return the answer that one detector kind gives."""
    beats = pooled(facts, "beats", detector)
    return Headline(detector, _answer(beats), questions(facts, detector), _tiles(beats), cautions(facts, detector))


def _answer(beats: dict[str, Any] | None) -> str:
    if not beats or not beats["n"]:
        return "Whether steered data beat prompting cannot be told: no configuration has a difference to prompting."
    n = beats["n"]
    wins, sure = round(beats["share_wins"] * n), round(beats["share_significant"] * n)
    what = f"Steered data beat prompting in {wins:,} of {n:,} configurations"
    if sure == 0:
        return f"{what}, but in none of them beyond chance."
    return f"{what}, in {sure:,} of them beyond chance."


def _tiles(beats: dict[str, Any] | None) -> tuple[Tile, ...]:
    if not beats or not beats["n"]:
        return ()
    shares = (
        ("share_wins", "above the mean of prompting"),
        ("share_significant", "above it beyond chance (Benjamini-Hochberg)"),
        ("share_wins_best", "above the best prompt"),
        ("share_significant_best", "above the best prompt beyond chance"),
    )
    return tuple(_tile(beats, name, label) for name, label in shares if beats[name] is not None)


def _tile(beats: dict[str, Any], name: str, label: str) -> Tile:
    low, high, kind = ends_of(beats, name)
    return Tile(label, percent(beats[name]), f"{percent_span(low, high)} ({kind})" if low is not None else "", (beats[name], low, high))
