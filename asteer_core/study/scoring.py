"""Scores of any corpus without a study: read, measured, scored, with intervals; and the difference of two corpora.

Not here: reading files (`corpus_file.py`), models and judges (`instruments.py`), formulas (`asteer_core.metrics`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import polars as pl

from asteer_core.errors import ConfigError, DataError
from asteer_core.judges import DryRun, Verdicts
from asteer_core.metrics import (
    METRICS,
    Embedding,
    Interval,
    LeftOut,
    Measured,
    MetricSettings,
    Reference,
    Scores,
    corpus_spread,
    difference_intervals,
    fit_reference,
    mean_draws,
    pair_cosines,
    percentiles,
    random_pair_cosines,
    score_corpus,
)  # fmt: skip
from asteer_core.metrics.combination import harmonic
from asteer_core.study.corpus_file import Columns, Corpus, read_corpora, whole
from asteer_core.study.instruments import Instruments
from asteer_core.study.judge_choice import read_judge

SEED = 0
Source = Path | str | pl.DataFrame


class Options(TypedDict, total=False):
    """How a corpus is scored.

    concept: judges success; without one success is undefined. judge: who judges, as in a study file: the name of a kind, a mapping with
    its options, or a YAML file; by default the concept's embedded judge. on_judge: called with (answered, asked) while it is asked.
    model_scorer: registry name of the LM whose likelihoods enter coherence, by default one that ships; not the model that wrote the
    corpus. home: folder of caches, by default `ASTEER_HOME`. m: subsample size of set diversity; values of different m are not
    comparable. embedding: `encoder`, or `static` for very large corpora: diversity and relevance are then made of a table of token
    vectors distilled from the encoder (the judge reads the encoder's all the same), and are not comparable with those of the encoder.
    alternatives: further metrics by name (`metrics.METRICS`), computed on the same subsamples as set diversity; those that compare with
    real texts are given the concept's. on_distil: called with (done, total) while the table is made, once per home. reference: rows of
    the unsteered model, to which coherence is relative; by default the corpus itself. columns: what the columns are called.
    """

    concept: str | None
    judge: str | Path | dict[str, Any] | None
    on_judge: Callable[[int, int], None] | None
    model_scorer: str | None
    home: Path | str | None
    m: int | None
    embedding: Embedding
    alternatives: Sequence[str]
    on_distil: Callable[[int, int], None] | None
    reference: Source | None
    columns: Columns | None


@dataclass(frozen=True, slots=True)
class ScoredCorpus:
    """One corpus with its scores.

    Attributes:
        reference: what coherence is relative to.
        values: by name; None = undefined, with the reason in `reasons`. `hm` is over S, C and D; `hm_cd` over C and D alone. `n_cut` counts
            responses that end beyond the scorer's context.
        intervals: 95 % over prompts; see `asteer_core.metrics.intervals`.
        responses: per-response scores, float64 [text], NaN = undefined.
        left_out: values with each group of prompts left out, of which intervals of differences are made.
        embedding: whose vectors diversity and relevance are made of.
        alternatives: names of the further metrics in `values`.
        judge: kind of the judge of success; None without a concept.
        nulls: why responses have no verdict, with how many.
    """

    source: str
    configuration: str | None
    concept: str | None
    scorer: str
    reference: str
    values: dict[str, float | int | None]
    intervals: dict[str, Interval]
    reasons: dict[str, str]
    prompts: list[str] = field(repr=False)
    responses: dict[str, np.ndarray] = field(repr=False)
    left_out: LeftOut = field(repr=False)
    version: str
    embedding: Embedding
    alternatives: tuple[str, ...]
    judge: str | None
    nulls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """B minus A by metric; 95 % intervals for means over responses, diversity and the means with it.

    `paired`: both answer the same prompts, which are drawn, or left out, together.
    """

    a: ScoredCorpus
    b: ScoredCorpus
    differences: dict[str, float | None]
    intervals: dict[str, Interval]
    paired: bool


def score_file(path: Source, **options: Unpack[Options]) -> ScoredCorpus:
    """Return the scores of all rows of a file (.jsonl, .json list, .csv, .parquet) or frame as one corpus; see `Options`.

    Raises:
        AsteerError: a file that cannot be read (the message names the row), an unknown concept or scorer, an unusable reference.
    """
    return _Scoring(options).of(path, whole(read_corpora(path, options.get("columns"))))


def score_configurations(path: Source, **options: Unpack[Options]) -> list[ScoredCorpus]:
    """Return the scores of each configuration of a file, in order of appearance; errors as `score_file`."""
    corpora = read_corpora(path, options.get("columns"))
    scoring = _Scoring(options)
    return [scoring.of(path, corpus) for corpus in corpora]


def judging_costs(*paths: Source, **options: Unpack[Options]) -> DryRun | None:
    """Return what judging files takes at an endpoint, the labelled rows included that a new judge is tried on; nothing is sent.

    None where the judge costs nothing, or no concept is named. Errors as `score_file`.
    """
    concept = options.get("concept")
    if concept is None:
        return None
    corpora = [whole(read_corpora(path, options.get("columns"))) for path in paths]
    texts = [text for corpus in corpora for text in corpus.responses]
    prompts = [prompt for corpus in corpora for prompt in corpus.prompts]
    return Instruments(options.get("home")).judging(concept, read_judge(options.get("judge")), texts, prompts)


def compare_files(a: Source, b: Source, **options: Unpack[Options]) -> Comparison:
    """Return B minus A; coherence of both is relative to the reference, by default A. Errors as `score_file`."""
    if options.get("reference") is None:
        options["reference"] = a
    corpora = [whole(read_corpora(one, options.get("columns"))) for one in (a, b)]
    scoring = _Scoring(options)
    first, second = (scoring.of(source, corpus) for source, corpus in zip((a, b), corpora, strict=True))
    differences = {name: _difference(first.values[name], second.values[name]) for name in first.values if name not in COUNTS}
    paired = set(first.prompts) == set(second.prompts)
    rng = np.random.default_rng(SEED)
    draws = mean_draws(first.responses, first.prompts, rng)
    # A generator in the same state draws the same prompts.
    others = mean_draws(second.responses, second.prompts, np.random.default_rng(SEED) if paired else rng)
    fewer = min(len(set(first.prompts)), len(set(second.prompts)))
    intervals: dict[str, Interval] = {name: percentiles(others[name] - draws[name], fewer) for name in draws}
    intervals |= difference_intervals(first.values, second.values, first.left_out, second.left_out, paired=paired)
    return Comparison(first, second, differences, intervals, paired)


COUNTS = ("n", "m", "n_empty", "n_null", "n_null_coherence", "n_cut")


class _Scoring:
    """Everything that corpora scored together share: instruments, settings, and the reference if one was given."""

    def __init__(self, options: Options) -> None:
        m, reference = options.get("m"), options.get("reference")
        alternatives = tuple(dict.fromkeys(options.get("alternatives", ())))
        self.settings = MetricSettings(alternatives=alternatives, embedding=options.get("embedding", "encoder"))
        if m is not None:
            self.settings = replace(self.settings, subsample_size=m)
        compares = "real" in {METRICS.get(name).needs for name in alternatives}
        self.concept = options.get("concept")
        self.tools = Instruments(options.get("home"), options.get("model_scorer"), options.get("on_distil"))
        self.choice, self.on_judge = read_judge(options.get("judge")), options.get("on_judge") or (lambda done, total: None)
        if self.concept is None and options.get("judge") is not None:
            raise ConfigError("a judge is named and no concept; name the concept that it is to judge")
        with self.tools.judge_tools.heard_by(self.on_judge):
            self.judge = None if self.concept is None else self.tools.judge(self.concept, self.choice)
        self.real = self.tools.real(self.concept, self.settings.embedding) if self.concept is not None and compares else None
        self.given: Reference | None = None
        self.reference_name = "the corpus itself"
        if reference is not None:
            self.reference_name = _name(reference)
            try:
                self.given = self._reference(*self._measured(whole(read_corpora(reference, options.get("columns")))))
            except DataError as error:
                raise DataError(f"reference {self.reference_name}: {error}") from None

    def of(self, source: Source, corpus: Corpus) -> ScoredCorpus:
        verdicts = self._judged(corpus)
        measured, prompt_embeddings = self._measured(corpus, verdicts)
        reference, why = self.given, ""
        if reference is None:
            try:
                reference = self._reference(measured, prompt_embeddings)
            except DataError as error:
                # A corpus that cannot be compared with itself still has its other scores.
                why = f"the corpus cannot be its own reference ({error}); give one of unsteered responses"
        # The same state for each corpus: those over the same prompts are compared on the same subsamples.
        scores = score_corpus(measured, reference, self.settings, np.random.default_rng(SEED))
        values, reasons = self._complete(scores, why)
        values["n_cut"] = self.tools.cut(corpus.prompts, corpus.responses)
        # The same state again: of corpora over the same prompts, the same groups are left out.
        spread = corpus_spread(measured, scores, self.settings, np.random.default_rng(SEED))
        return ScoredCorpus(
            _name(source), corpus.configuration, self.concept, self.tools.scorer, self.reference_name, values,
            spread.intervals, reasons, corpus.prompts, scores.responses, spread.left_out, scores.version, scores.embedding,
            self.settings.alternatives, self.choice.kind if self.concept else None, verdicts.null_counts if verdicts else {},
        )  # fmt: skip

    def _judged(self, corpus: Corpus) -> Verdicts | None:
        if self.judge is None:
            return None
        with self.tools.judge_tools.heard_by(self.on_judge):
            return self.judge.judge(corpus.responses, corpus.prompts, self.tools.embed(corpus.responses))

    def _measured(self, corpus: Corpus, verdicts: Verdicts | None = None) -> tuple[Measured, np.ndarray]:
        """Return the measurements, and the embeddings of the prompts."""
        texts, prompts = (self.tools.embed(each, self.settings.embedding) for each in (corpus.responses, corpus.prompts))
        probability = None if verdicts is None else verdicts.success
        nll = self.tools.nll(corpus.prompts, corpus.responses)
        return Measured(corpus.responses, corpus.prompts, probability, nll, pair_cosines(prompts, texts), texts, self.real), prompts

    def _reference(self, measured: Measured, prompt_embeddings: np.ndarray) -> Reference:
        nll, cosine, texts = (np.asarray(one) for one in (measured.nll, measured.relevance_cosine, measured.embeddings))
        return fit_reference(nll, cosine, random_pair_cosines(prompt_embeddings, texts, np.random.default_rng(SEED)))

    def _complete(self, scores: Scores, no_reference: str) -> tuple[dict[str, float | int | None], dict[str, str]]:
        """Return values and reasons with what the room of metrics cannot know: that no concept was named, and why there is no reference."""
        values, reasons = dict(scores.corpus), dict(scores.reasons)
        if self.concept is None:
            # Bounds of a success that nobody judged are 0 and 1, which tells nothing.
            values |= {"success_lowest": None, "success_highest": None}
            reasons |= {name: "no concept was named, so no judge was asked" for name in values if name.startswith("success")}
        if no_reference:
            reasons |= dict.fromkeys(("coherence", "fluency", "relevance"), no_reference)
        values["hm_cd"] = harmonic(values["coherence"], values["diversity"])
        for name in (name for name, value in values.items() if value is None and name.startswith(("hm", "am", "gm", "min"))):
            axes = {"sc": ("success", "coherence"), "cd": ("coherence", "diversity")}.get(name[-2:], ("success", "coherence", "diversity"))
            reasons[name] = "; ".join(reasons[axis] for axis in axes if axis in reasons)
        return values, reasons


def _difference(a: float | int | None, b: float | int | None) -> float | None:
    return None if a is None or b is None else float(b) - float(a)


def _name(source: Source) -> str:
    return "frame" if isinstance(source, pl.DataFrame) else str(source)
