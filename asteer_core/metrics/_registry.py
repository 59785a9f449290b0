"""The table of metrics that can be computed from texts and embeddings by name, and how each is fed.

Formulas live in one file per metric. Measurements that need a judge or a scorer (success, coherence) are not in the table: they are
parts of `score_corpus`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from asteer_core.errors import DataError
from asteer_core.registry import Registry
from asteer_core.types import fingerprint

Tokens = Sequence[str]
Needs = Literal["response", "corpus", "embeddings", "real"]
"""`response`: the tokens of one response, averaged over the corpus. `corpus`: the tokens of all responses. `embeddings`: [text, d_embed].
`real`: the corpus's embeddings and those of real texts."""

F = TypeVar("F", bound=Callable[..., float])


@dataclass(frozen=True, slots=True)
class Metric:
    """A named metric: its function, what it needs, and whether a larger value means more diverse texts."""

    name: str
    function: Callable[..., float]
    needs: Needs
    rises_with_diversity: bool

    @property
    def fingerprint(self) -> str:
        """A hash of the metric's file, so that values of an edited metric are not taken for current."""
        try:
            source = inspect.getsource(sys.modules[self.function.__module__])
        except (KeyError, OSError, TypeError):  # typed in at a prompt, or compiled
            source = ""
        return fingerprint([self.name, self.needs, source])

    def of(self, tokens: Sequence[Tokens], embeddings: np.ndarray | None = None, real: np.ndarray | None = None) -> float:
        """Return the metric's value for a corpus.

        Args:
            tokens: the tokens of each response.
            embeddings: [text, d_embed], for metrics that need them.
            real: [real text, d_embed], for metrics that compare with real texts.

        Raises:
            DataError: the metric needs embeddings, or real ones, and got none; or the metric's own conditions do not hold.
        """
        if self.needs == "response":
            if not tokens:
                raise DataError(f"metric {self.name!r} needs at least one response; got none")
            return float(np.mean([self.function(one) for one in tokens]))
        if self.needs == "corpus":
            return self.function(tokens)
        if embeddings is None:
            raise DataError(f"metric {self.name!r} needs embeddings; pass an array [text, d_embed]")
        if self.needs == "embeddings":
            return self.function(embeddings)
        if real is None:
            raise DataError(f"metric {self.name!r} compares with real texts; pass their embeddings [real text, d_embed]")
        return self.function(embeddings, real)


METRICS: Registry[Metric] = Registry("metric", "asteer_core.metrics")
"""Metrics by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.metrics`."""


def metric(name: str, needs: Needs, rises_with_diversity: bool = True) -> Callable[[F], F]:
    """Return a decorator that registers a function as metric `name` and returns it unchanged."""

    def keep(function: F) -> F:
        METRICS.register(name)(Metric(name, function, needs, rises_with_diversity))
        return function

    return keep
