"""The records around scoring: settings of the formulas, what was measured on a corpus, what came out. No formula belongs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

import numpy as np

from asteer_core.errors import ConfigError, DataError
from asteer_core.types import fingerprint

METRIC_VERSION = "1"
"""Changes with any formula. Values of two versions are not comparable."""

Embedding = Literal["encoder", "static"]
"""Whose vectors diversity is computed from: the sentence encoder's, or the table's that was distilled from it."""


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """The numbers inside the formulas, whose embeddings they are given, and metrics to add by name.

    Values made with other settings are not comparable; `embedding` changes no formula and is recorded for that reason.
    """

    max_tokens: int = 128
    mattr_window: int = 50
    subsample_size: int = 100
    subsamples: int = 20
    tau: float = 1.0
    success_threshold: float = 0.5
    replies_per_prompt: int = 1
    alternatives: tuple[str, ...] = ()
    embedding: Embedding = "encoder"

    def __post_init__(self) -> None:
        problems = {
            "max_tokens": self.max_tokens < 4,
            "mattr_window": self.mattr_window < 1,
            "subsample_size": self.subsample_size < 2,
            "subsamples": self.subsamples < 1,
            "tau": not self.tau > 0,
            "replies_per_prompt": self.replies_per_prompt < 1,
            "success_threshold": not 0 < self.success_threshold < 1,
            "embedding": self.embedding not in get_args(Embedding),
        }
        for name, wrong in problems.items():
            if wrong:
                raise ConfigError(f"metric settings: {name}={getattr(self, name)!r} is out of range")

    @property
    def fingerprint(self) -> str:
        """A hash of the settings and of METRIC_VERSION."""
        return fingerprint({"version": METRIC_VERSION, **asdict(self)})


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one corpus. Row i of every array belongs to `texts[i]`; None = not measured; NaN = undefined for that row.

    judge_probability: calibrated, 0 to 1. nll: mean token NLL under the scorer, nats. relevance_cosine: prompt with response.
    embeddings: [text, d_embed]. real_embeddings: [real text, d_embed], for alternatives that compare with real texts.
    """

    texts: Sequence[str]
    prompt_ids: Sequence[str]
    judge_probability: np.ndarray | None = None
    nll: np.ndarray | None = None
    relevance_cosine: np.ndarray | None = None
    embeddings: np.ndarray | None = None
    real_embeddings: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.texts)
        for name in ("prompt_ids", "judge_probability", "nll", "relevance_cosine", "embeddings"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise DataError(f"measured corpus: {n} texts but {len(values)} rows in {name}; row i of both must be one response")
        p = self.judge_probability
        if p is not None and ((p < 0) | (p > 1)).any():
            raise DataError(
                f"measured corpus: judge_probability runs from {np.nanmin(p):.4g} to {np.nanmax(p):.4g}; "
                "expected 0 to 1, with NaN for no verdict"
            )


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one corpus.

    Attributes:
        responses: float64 [text], NaN = undefined.
        corpus: None = undefined.
        reasons: why each None is one.
        embedding: whose vectors the scores of the set were computed from.
        subsamples: the rows of each subsample that the scores of the set are means over; none where there are too few texts.
    """

    responses: dict[str, np.ndarray]
    corpus: dict[str, float | int | None]
    reasons: dict[str, str] = field(default_factory=dict)
    version: str = METRIC_VERSION
    embedding: Embedding = "encoder"
    subsamples: tuple[np.ndarray, ...] = ()
