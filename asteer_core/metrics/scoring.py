"""From the measurements of one corpus to its scores: per response, and for the corpus with a reason for every null.

No formula belongs here; they are in the metric files. Nothing here reads files or loads a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from asteer_core.errors import DataError
from asteer_core.metrics._registry import METRICS
from asteer_core.metrics._tokens import tokenise, words
from asteer_core.metrics.coherence import coherence
from asteer_core.metrics.combination import combinations, diversity
from asteer_core.metrics.fluency import fluency
from asteer_core.metrics.mattr import mattr
from asteer_core.metrics.measured import Measured, MetricSettings, Scores
from asteer_core.metrics.reference import Reference
from asteer_core.metrics.relevance import relevance
from asteer_core.metrics.rep4 import rep4
from asteer_core.metrics.sample_diversity import sample_diversity
from asteer_core.metrics.set_diversity import mean_self_bleu, mean_vendi, set_diversity, subsamples
from asteer_core.metrics.success import success
from asteer_core.metrics.within_prompt_diversity import within_prompt_diversity

BETWEEN = ("set_diversity", "vendi", "self_bleu")
"""What is scored between the responses of every corpus."""


def score_corpus(measured: Measured, reference: Reference | None, settings: MetricSettings, rng: np.random.Generator) -> Scores:
    """Return the scores of one corpus.

    The rows' order plays no part: subsamples are drawn over the rows sorted by prompt and text. Pass a generator in the same state
    for every corpus of a study, so that corpora over the same prompts are compared on the same subsamples.

    Args:
        measured: the measurements.
        reference: what coherence is measured against; None leaves coherence undefined.
        settings: numbers of the formulas.
        rng: draws the subsamples.

    Raises:
        AsteerError: settings or reference that no corpus could be scored with, or an unknown alternative metric.
    """
    tokens = [tokenise(text, settings.max_tokens) for text in measured.texts]
    responses = score_responses(measured, tokens, reference, settings)
    reasons: dict[str, str] = {}
    verdict = success(responses["success"], settings.success_threshold)
    corpus: dict[str, float | int | None] = {
        "n": len(tokens),
        "m": settings.subsample_size,
        "n_empty": sum(not one for one in tokens),
        "n_null": verdict.n_null,
        "n_null_coherence": int(np.isnan(responses["coherence"]).sum()),
        "success": verdict.mean,
        "success_rate": verdict.rate,
        "success_lowest": verdict.lowest,
        "success_highest": verdict.highest,
    }
    for name in ("coherence", "fluency", "relevance", "rep4", "mattr", "sample_diversity"):
        corpus[name] = _mean(responses[name])
    corpus["mean_length"] = _mean(responses["n_words"])
    # A metric that is scored anyway keeps its own definition: `mattr` is of words, and of all rows.
    extra = tuple(name for name in settings.alternatives if name not in (*corpus, *BETWEEN))
    between, drawn = _between(measured, tokens, replace(settings, alternatives=extra), rng, reasons)
    corpus |= between
    if settings.replies_per_prompt > 1:
        corpus["within_prompt_diversity"] = _within(measured, settings.replies_per_prompt, reasons)
    corpus["diversity"] = diversity(corpus["sample_diversity"], corpus["set_diversity"])
    corpus |= combinations(corpus["success"], corpus["coherence"], corpus["diversity"])
    _explain(corpus, measured, reference, reasons)
    return Scores(responses, corpus, reasons, embedding=settings.embedding, subsamples=drawn)


def score_responses(
    measured: Measured, tokens: Sequence[list[str]], reference: Reference | None, settings: MetricSettings
) -> dict[str, np.ndarray]:
    """Return the per-response scores, float64 [text]: success, fluency, rep4, relevance, coherence, mattr, sample_diversity, n_words."""
    content = [words(one) for one in tokens]
    unknown = np.full(len(tokens), np.nan)
    scores = {
        "success": _column(measured.judge_probability, unknown),
        "rep4": np.array([rep4(one) for one in tokens], dtype=np.float64),
        "mattr": np.array([mattr(one, settings.mattr_window) for one in content], dtype=np.float64),
        "n_words": np.array([len(one) for one in content], dtype=np.float64),
        "fluency": unknown,
        "relevance": unknown,
    }
    if reference is not None:
        nll, cosine = _column(measured.nll, unknown), _column(measured.relevance_cosine, unknown)
        scores["fluency"] = fluency(nll, reference.nll_location, reference.nll_scale, settings.tau)
        scores["relevance"] = relevance(cosine, reference.random_cosine, reference.matched_cosine)
    empty = np.array([not one for one in tokens], dtype=bool)
    scores["coherence"] = coherence(scores["fluency"], scores["rep4"], scores["relevance"], empty & (reference is not None))
    scores["sample_diversity"] = sample_diversity(scores["mattr"], scores["rep4"])
    return scores


def _between(
    measured: Measured, tokens: Sequence[list[str]], settings: MetricSettings, rng: np.random.Generator, reasons: dict[str, str]
) -> tuple[dict[str, float | int | None], tuple[np.ndarray, ...]]:
    """Return scores of the set, and the rows of its subsamples, which are drawn in an order that does not depend on the caller's."""
    names = (*BETWEEN, *settings.alternatives)
    values: dict[str, float | int | None] = dict.fromkeys(names)
    try:
        draws = subsamples(len(tokens), settings.subsample_size, settings.subsamples, rng)
    except DataError as error:
        reasons |= dict.fromkeys(names, str(error))
        return values, ()
    order = sorted(range(len(tokens)), key=lambda i: (str(measured.prompt_ids[i]), measured.texts[i]))
    ordered = [tokens[i] for i in order]
    embeddings = None if measured.embeddings is None else np.asarray(measured.embeddings)[order]
    wording = values["self_bleu"] = mean_self_bleu(ordered, draws)
    if embeddings is None:
        reasons |= dict.fromkeys(("vendi", "set_diversity"), "embeddings were not measured")
    else:
        try:
            values["vendi"], share = mean_vendi(embeddings, draws)
            values["set_diversity"] = set_diversity(share, wording)
        except DataError as error:
            reasons |= dict.fromkeys(("vendi", "set_diversity"), str(error))
    for name in settings.alternatives:
        one = METRICS.get(name)
        parts = (([ordered[i] for i in rows], None if embeddings is None else embeddings[rows], measured.real_embeddings) for rows in draws)
        try:
            mean = float(np.mean([one.of(*part) for part in parts]))
        except DataError as error:
            reasons[name] = str(error)
            continue
        if np.isfinite(mean):
            values[name] = mean
        else:
            reasons[name] = f"the metric's mean over the subsamples is {mean}"
    return values, tuple(np.array(order)[rows] for rows in draws)


def _within(measured: Measured, k: int, reasons: dict[str, str]) -> float | None:
    if measured.embeddings is None:
        reasons["within_prompt_diversity"] = "embeddings were not measured"
        return None
    try:
        return within_prompt_diversity(measured.embeddings, measured.prompt_ids, k)
    except DataError as error:
        reasons["within_prompt_diversity"] = str(error)
        return None


def _explain(corpus: dict[str, float | int | None], measured: Measured, reference: Reference | None, reasons: dict[str, str]) -> None:
    """Give every None of the corpus a reason."""
    missing = {
        "success": "the judge gave no verdict" if measured.judge_probability is not None else "no judge was asked",
        "coherence": "no reference was given" if reference is None else "NLL or relevance is missing for every response",
        "diversity": f"set diversity is undefined: {reasons.get('set_diversity', 'there are no responses')}",
    }
    for name, value in corpus.items():
        if value is None and name not in reasons:
            axes = [axis for axis in ("success", "coherence", "diversity") if corpus[axis] is None]
            part = next((axis for axis in missing if name.startswith(axis)), None)
            reasons[name] = missing[part] if part else "; ".join(missing[axis] for axis in axes) or "there are no responses"


def _column(values: np.ndarray | None, unknown: np.ndarray) -> np.ndarray:
    return unknown if values is None else np.asarray(values, dtype=np.float64)


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
