"""All responses that a search generated, with their metrics and embeddings: what a training set is chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from asteer_core.detectors import TextSet
from asteer_core.errors import DataError
from asteer_core.search import Search
from asteer_core.study import Workspace
from asteer_core.study.stages.metrics import reference_of, score_rows, settings_of
from asteer_core.study.trial import trial_of
from asteer_core.training_set.duplicates import first_of_each

STAGE = "training_set"
PER_RESPONSE = ("success", "coherence", "fluency", "relevance", "rep4", "mattr", "sample_diversity", "n_words")
QUICK_SUBSAMPLES = 4
"""Subsamples behind set diversity while mixtures are compared; the figures that are reported have the study's."""


@dataclass(frozen=True)
class Pool:
    """Rows of a search, best configuration first, without duplicates of one another or of a real validation or test text.

    `dropped` counts what was left out: `duplicate` of an earlier row, `test` near-duplicates of real texts.
    """

    ws: Workspace
    search: Search
    rows: pl.DataFrame
    dropped: dict[str, int]

    @cached_property
    def embeddings(self) -> np.ndarray:
        """Unit embeddings of the texts, float32 [row, d_embed]."""
        return self.ws.embed(self.rows["text"].to_list(), STAGE)

    def column(self, name: str) -> np.ndarray:
        """Return a column as float64 [row], NaN where undefined."""
        return self.rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def of_configuration(self) -> dict[str, np.ndarray]:
        """Return configuration key -> its row numbers, best configuration first."""
        keys = self.rows["key"].to_numpy()
        return {key: np.flatnonzero(keys == key) for key in self.search.ranked if (keys == key).any()}

    def metrics(self, rows: Sequence[int] | np.ndarray, quick: bool = False, intervals: bool = False) -> dict[str, Any]:
        """Return the corpus metrics of the rows as one corpus; set diversity is of subsamples no larger than it."""
        settings = settings_of(self.ws)
        count = min(settings.subsamples, QUICK_SUBSAMPLES) if quick else settings.subsamples
        size = max(2, min(settings.subsample_size, len(rows)))
        settings = replace(settings, subsample_size=size, subsamples=count, alternatives=())
        reference = reference_of(self.ws, self.search.concept, self.search.model, STAGE)
        frame = self.rows[np.asarray(rows)].drop("key", *PER_RESPONSE)
        return score_rows(self.ws, self.search.concept, frame, reference, STAGE, settings, intervals).corpus.row(0, named=True)


def pool_of(ws: Workspace, search: Search) -> Pool:
    """Return the pool of a search: every row that a rung asked for.

    Raises:
        DataError: nothing is left once duplicates are gone.
    """
    frames = []
    for key in search.ranked:
        asked = max((search.rungs[trial.rung].prompts for trial in search.halving.trials if trial.candidate == key), default=search.probes)
        rows = search.trials.rows([key], asked)[key]
        scored = search.trials.scores(key, rows)[0].select("row_id", *PER_RESPONSE) if rows.height > 1 else None
        if scored is not None:
            frames.append(rows.join(scored, on="row_id", how="left", maintain_order="left").with_columns(key=pl.lit(key)))
    everything = pl.concat(frames, how="diagonal_relaxed")
    first = first_of_each(everything["text"].to_list())
    distinct = everything.filter(first)
    if distinct.is_empty():
        raise DataError(f"training set of {search.concept}: all {everything.height} responses are empty; use weaker strengths")
    texts = distinct["text"].to_list()
    keep, _ = trial_of(ws, search.concept, STAGE).duplicates.check(TextSet(tuple(texts), ws.embed(texts, STAGE), search.concept))
    rows = distinct.filter(keep)
    if rows.is_empty():
        raise DataError(f"training set of {search.concept}: all {distinct.height} responses are near-duplicates of real test texts")
    dropped = {"duplicate": everything.height - distinct.height, "test": distinct.height - rows.height}
    return Pool(ws, search, rows, dropped)
