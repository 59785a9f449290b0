"""What became of one question, and when an endpoint counts as broken rather than unlucky. Not here: asking (`openai.py`)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from asteer_core.errors import ModelError
from asteer_core.judges._reply import Grades

_FAILURES = 5
"""Questions in a row without an answer after which the endpoint counts as broken."""


@dataclass(frozen=True, slots=True)
class Null:
    """Why a question has no verdict; `kind` says whether the endpoint failed, declined, answered unreadably, or was not asked."""

    reason: str
    kind: Literal["failed", "declined", "unreadable", "budget"]


class Health:
    """Tells an endpoint that fails now and then from one that cannot answer at all."""

    def __init__(self, url: str, questions: int) -> None:
        self._url, self._limit = url, min(_FAILURES, questions)
        self._failed, self._declined, self._answered = 0, 0, False
        self._lock = threading.Lock()

    def note(self, outcome: Grades | Null) -> None:
        """Take note of one outcome.

        Raises:
            ModelError: too many failed in a row, or all so far were declined.
        """
        kind = outcome.kind if isinstance(outcome, Null) else "graded"
        if kind == "budget":
            return
        with self._lock:
            self._note(outcome, kind)

    def _note(self, outcome: Grades | Null, kind: str) -> None:
        self._failed = self._failed + 1 if kind == "failed" else 0
        # A content filter declines one text; it says nothing about the next.
        filtered = isinstance(outcome, Null) and ("content" in outcome.reason or "no text" in outcome.reason)
        self._declined += kind == "declined" and not filtered
        self._answered |= kind in ("graded", "unreadable") or filtered
        if self._failed >= self._limit:
            raise ModelError(
                f"judge at {self._url}: {self._failed} questions in a row failed after all retries (last: {_reason(outcome)}); "
                "verdicts until then are in the cache: check the endpoint and run again"
            )
        if self._declined >= self._limit and not self._answered:
            raise ModelError(
                f"judge at {self._url}: the first {self._declined} questions were declined (last: {_reason(outcome)}); check model, "
                "reply_format (text suits every endpoint) and parameters ({temperature: null} where a model refuses it)"
            )


def _reason(outcome: Grades | Null) -> str:
    return outcome.reason if isinstance(outcome, Null) else ""
