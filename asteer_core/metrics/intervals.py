"""95 % intervals of a corpus's scores, and of the differences of two corpora, over the prompts they answer.

Means over responses are resampled with replacement (bootstrap). That is wrong for diversity: a resample repeats texts, and repeated
texts are what diversity counts, so every resample is less diverse than the corpus. Diversity, and the means made with it, leave
groups of prompts out instead (delete-a-group jackknife), which repeats nothing. Differences of two corpora are treated likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr, stdtrit

from asteer_core.metrics._tokens import tokenise
from asteer_core.metrics.combination import diversity, harmonic
from asteer_core.metrics.measured import Measured, MetricSettings, Scores
from asteer_core.metrics.self_bleu import ngram_table, self_bleu_of
from asteer_core.metrics.set_diversity import set_diversity
from asteer_core.metrics.vendi import effective_number, shares_of, unit_rows

Interval = tuple[float | None, float | None]

RESPONSE_MEANS = ("success", "coherence", "fluency", "relevance", "rep4", "mattr", "sample_diversity")
"""Scores that are means over responses."""

JACKKNIFED = ("set_diversity", "diversity", "hm", "hm_sc", "hm_cd")
"""Scores that resampling with replacement would bias, and means of axes."""

MEANS_OF = {
    "hm": ("success", "coherence", "diversity"),
    "hm_sc": ("success", "coherence"),
    "hm_cd": ("coherence", "diversity"),
}
"""The axes of each harmonic mean."""

LEVEL = 0.95
N_BOOT = 2000
GROUPS = 25
"""Groups of prompts that are left out in turn; 24 degrees of freedom."""
MIN_GROUPS = 8


LeftOut = dict[str, list[float | None]]
"""Score of `JACKKNIFED` -> its values with each group of prompts left out; empty lists where there are too few prompts."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the scores of a corpus vary with its prompts: its `intervals`, and the values `left_out` that differences are made of."""

    intervals: dict[str, Interval]
    left_out: LeftOut


def corpus_intervals(measured: Measured, scores: Scores, settings: MetricSettings, rng: np.random.Generator) -> dict[str, Interval]:
    """Return (lower, upper) by name for `RESPONSE_MEANS` and `JACKKNIFED`; (None, None) where a value or its spread is undefined.

    Args:
        measured: what was measured on the corpus.
        scores: its scores.
        settings: those of the scores.
        rng: draws resamples and groups; in the same state for corpora over the same prompts, they are resampled alike.
    """
    return corpus_spread(measured, scores, settings, rng).intervals


def corpus_spread(measured: Measured, scores: Scores, settings: MetricSettings, rng: np.random.Generator) -> Spread:
    """Return the intervals of `corpus_intervals`, arguments as there, with the values that `difference_intervals` reads."""
    draws = mean_draws(scores.responses, measured.prompt_ids, rng)
    prompts = len(set(measured.prompt_ids))
    found: dict[str, Interval] = {name: percentiles(each, prompts) for name, each in draws.items()}
    parts = _left_out(measured, scores, settings, rng)
    found |= {name: logit_jackknife(value, parts[name]) for name, value in _values(scores.corpus).items()}
    return Spread(found | {name: within_axes(found[name], [found[axis] for axis in axes]) for name, axes in MEANS_OF.items()}, parts)


def difference_intervals(
    a: Mapping[str, float | int | None], b: Mapping[str, float | int | None], parts_a: LeftOut, parts_b: LeftOut, *, paired: bool
) -> dict[str, Interval]:
    """Return the 95 % intervals of b - a for `JACKKNIFED`, from -1 to 1; (None, None) where one of the two has no interval.

    Args:
        a, b: scores of the two corpora by name, as `score_corpus` gives them.
        parts_a, parts_b: their `Spread.left_out`.
        paired: both answer the same prompts and the same groups of them were left out, as generators in the same state do. What the
            corpora share then cancels; otherwise their variances add.
    """
    first, second = _values(a), _values(b)
    return {name: difference_jackknife(first[name], second[name], parts_a[name], parts_b[name], paired=paired) for name in JACKKNIFED}


def mean_draws(responses: Mapping[str, np.ndarray], prompts: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return resampled means of the `RESPONSE_MEANS`, float64 [draw]; NaN where a draw holds no value.

    Whole prompts are drawn, one fewer than there are, which makes the variance of a mean unbiased (Rao and Wu 1988).
    """
    kinds, group = np.unique(np.array(prompts, dtype=object), return_inverse=True)
    times = rng.multinomial(len(kinds) - 1, np.full(len(kinds), 1 / len(kinds)), size=N_BOOT).astype(np.float64)
    draws = {}
    for name in RESPONSE_MEANS:
        known = np.isfinite(responses[name])
        sums = times @ np.bincount(group[known], responses[name][known], minlength=len(kinds))
        counts = times @ np.bincount(group[known], minlength=len(kinds))
        # A single prompt varies over nothing: an interval without width would be false certainty.
        usable = (counts > 0) & (len(kinds) > 1)
        draws[name] = np.divide(sums, counts, out=np.full(N_BOOT, np.nan), where=usable)
    return draws


def percentiles(draws: np.ndarray, n_prompts: int) -> Interval:
    """Return the central 95 % of the finite draws, as far out as Student's t is beyond the normal; None where half are undefined.

    Source: Hesterberg 2015, https://arxiv.org/abs/1411.5279, section 5.3.
    """
    finite = draws[np.isfinite(draws)]
    if finite.size <= draws.size / 2:
        return None, None
    tail = float(ndtr(stdtrit(n_prompts - 1, (1 - LEVEL) / 2)))
    lo, hi = np.quantile(finite, [tail, 1 - tail])
    return float(lo), float(hi)


def _values(corpus: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    """Return the values of the `JACKKNIFED`."""
    known = {"hm_cd": harmonic(corpus["coherence"], corpus["diversity"]), **corpus}
    return {name: known[name] for name in JACKKNIFED}


def _left_out(measured: Measured, scores: Scores, settings: MetricSettings, rng: np.random.Generator) -> LeftOut:
    kinds, prompt = np.unique(np.array(measured.prompt_ids, dtype=object), return_inverse=True)
    count = min(GROUPS, len(kinds))
    group = rng.permutation(np.arange(len(kinds)) % max(count, 1))[prompt]
    if count < MIN_GROUPS:
        return {name: [] for name in JACKKNIFED}
    of_those_that_stay = _without(measured, scores, settings)
    left_out = [of_those_that_stay(group != place) for place in range(count)]
    return {name: [part[name] for part in left_out] for name in JACKKNIFED}


def _without(measured: Measured, scores: Scores, settings: MetricSettings) -> Callable[[np.ndarray], dict[str, float | None]]:
    """Return a function from which rows stay, bool [text], to the scores of those rows as one set."""
    between_of = None if scores.corpus["set_diversity"] is None else _set_diversity_of(measured, scores, settings)

    def of(stays: np.ndarray) -> dict[str, float | None]:
        s, c, within = (_mean(scores.responses[name][stays]) for name in ("success", "coherence", "sample_diversity"))
        between = None if between_of is None else between_of(stays)
        d = diversity(within, between)
        return {
            "set_diversity": between, "diversity": d, "hm": harmonic(s, c, d), "hm_sc": harmonic(s, c), "hm_cd": harmonic(c, d),
        }  # fmt: skip

    return of


def _set_diversity_of(measured: Measured, scores: Scores, settings: MetricSettings) -> Callable[[np.ndarray], float | None]:
    """Return a function from which rows stay, bool [text], to set diversity, None where a subsample keeps fewer than two.

    Rows are left out of the subsamples that the score itself is the mean over. Other subsamples of the rows that stay would add the
    noise of drawing anew; one set of all of them would leave out the noise of drawing, and lies at another level, where diversity
    varies less: its intervals would be half as wide as they must be where there are many more texts than a subsample has.
    """
    tokens = [tokenise(text, settings.max_tokens) for text in measured.texts]
    unit = unit_rows(np.asarray(measured.embeddings), "vendi")
    similar = [unit[rows] @ unit[rows].T for rows in scores.subsamples]
    tables = [ngram_table([tokens[row] for row in rows]) for rows in scores.subsamples]

    def of(stays: np.ndarray) -> float | None:
        shares, bleus = [], []
        for rows, similarity, table in zip(scores.subsamples, similar, tables, strict=True):
            kept = np.flatnonzero(stays[rows])
            if len(kept) < 2:
                return None
            number = effective_number(shares_of(similarity[np.ix_(kept, kept)], len(kept)))
            shares.append(min(max(np.log(number) / np.log(len(kept)), 0.0), 1.0))
            bleus.append(self_bleu_of(table, kept))
        return set_diversity(float(np.mean(shares)), float(np.mean(bleus)))

    return of


def logit_jackknife(value: float | int | None, left_out: Sequence[float | None]) -> Interval:
    """Return the 95 % interval of a value in 0 to 1 from its values with each group left out; (None, None) where one is undefined.

    Student's t about the value on the logit scale, so that the interval stays inside 0 to 1.

    Source: Efron and Stein 1981, The jackknife estimate of variance, https://doi.org/10.1214/aos/1176345462.
    """
    parts = _logits(value, left_out)
    if value is None or parts is None:
        return None, None
    reach = _student(len(parts) - 1) * float(np.sqrt(_jackknife_variance(parts)))
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def difference_jackknife(
    a: float | int | None, b: float | int | None, parts_a: Sequence[float | None], parts_b: Sequence[float | None], *, paired: bool
) -> Interval:
    """Return the 95 % interval of b - a, each in 0 to 1, from their values with each group left out; (None, None) where one is undefined.

    Student's t about the difference. Deviations are taken on the logit scale, as for one value, and brought back by its slope at a and
    b, so that groups count alike near 0 and 1. `paired`: place i of both left the same
    prompts out, so that the jackknife is of the difference itself; otherwise the variances add, with the degrees of freedom of
    Welch and Satterthwaite.

    Source: Efron and Stein 1981, https://doi.org/10.1214/aos/1176345462; Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28.
    """
    first, second = _logits(a, parts_a), _logits(b, parts_b)
    if a is None or b is None or first is None or second is None:
        return None, None
    first, second = first * a * (1 - a), second * b * (1 - b)
    if paired:
        variance, freedom = _jackknife_variance(second - first), float(len(first) - 1)
    else:
        variances = np.array([_jackknife_variance(first), _jackknife_variance(second)])
        variance = float(variances.sum())
        shares = variances**2 / np.array([len(first) - 1, len(second) - 1])
        freedom = variance**2 / float(shares.sum()) if variance else 1.0
    reach = _student(freedom) * float(np.sqrt(variance))
    return max(b - a - reach, -1.0), min(b - a + reach, 1.0)


def _logits(value: float | int | None, left_out: Sequence[float | None]) -> np.ndarray | None:
    """Return the logits of the values with each group left out, float64 [group]; None where one, or the value's, is undefined."""
    known = [part for part in left_out if part is not None]
    if value is None or len(known) < max(len(left_out), 2) or not 0 < value < 1 or not all(0 < part < 1 for part in known):
        return None
    return np.asarray(logit(np.array(known, dtype=np.float64)))


def _jackknife_variance(parts: np.ndarray) -> float:
    return float((len(parts) - 1) / len(parts) * ((parts - parts.mean()) ** 2).sum())


def _student(freedom: float) -> float:
    """Return how many standard errors a two-sided 95 % interval reaches."""
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def within_axes(interval: Interval, axes: Sequence[Interval]) -> Interval:
    """Return the interval of a harmonic mean, cut to what the intervals of its axes allow; as it is where one of those is undefined.

    The mean rises with every axis, so it lies between the means of their lower and of their upper ends. Where one prompt carries
    nearly all of an axis, leaving it out moves the logit without bound, and the jackknife alone would reach from 0 to 1.
    """
    low, high = harmonic(*(axis[0] for axis in axes)), harmonic(*(axis[1] for axis in axes))
    if low is None or high is None or interval[0] is None or interval[1] is None:
        return interval
    return max(interval[0], low), min(interval[1], high)


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
