"""Metrics: success, coherence, diversity and their means, by arithmetic on what was measured. No model is asked here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import AsteerError
from asteer_core.metrics import (
    METRIC_VERSION,
    Interval,
    Measured,
    MetricSettings,
    Reference,
    corpus_intervals,
    fit_reference,
    random_pair_cosines,
    score_corpus,
)  # fmt: skip
from asteer_core.model.static_embeddings import static_fingerprint
from asteer_core.study.alternatives import TABLE, alternative_rows, alternatives_key, real_embeddings
from asteer_core.study.done import Done, Failures
from asteer_core.study.runs import recorded
from asteer_core.study.stages._run import IDENTITY, Frames, Partition, Stage, by_configuration, upstream
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.warehouse.files import is_present

WITH_INTERVAL = ("success", "coherence", "sample_diversity", "set_diversity", "diversity", "hm", "hm_sc")
"""Scores whose 95 % interval is stored."""

VERSION = 4
"""Changes with what is stored beside the formulas, which have METRIC_VERSION."""


@recorded
def corpus_metrics(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, configuration key); rows in `corpus_metrics` and, per response, `response_metrics`."""
    yield from _STEERED.run(ws, pairs)


@recorded
def baseline_metrics(ws: Workspace, cells: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, model), for the corpora of the baselines."""
    yield from _BASELINE.run(ws, cells)


def settings_of(ws: Workspace) -> MetricSettings:
    """Return the study's metric settings."""
    options = ws.study.metrics
    return MetricSettings(
        subsample_size=options.m,
        subsamples=options.subsamples,
        tau=options.tau,
        replies_per_prompt=ws.study.size.samples,
        alternatives=options.alternatives,
        embedding=options.embedding,
    )


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    cell = str(key).split(":")[0]
    inputs = [upstream(ws, "measurements", concept, key), upstream(ws, "measurements", concept, cell)]
    if ws.study.metrics.embedding == "static":
        inputs.append(static_fingerprint())
    inputs += alternatives_key(ws, concept)
    return fingerprint(["metrics", VERSION, METRIC_VERSION, str(ws.study.metrics), ws.study.seed, *inputs])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures, stage: str) -> Iterator[tuple[Partition, Frames]]:
    for number, (concept, key) in enumerate(partitions):
        ws.report(stage, number, len(partitions), f"{concept}, {key}")
        try:
            reference = reference_of(ws, concept, str(key).split(":")[0], stage)
            frame = _joined(ws, concept, str(key))
            scored = [score_rows(ws, concept, rows, reference, stage) for _, rows in by_configuration(frame)]
        except AsteerError as error:
            failures.add(concept, key, error)
            continue
        frames = {"response_metrics": pl.concat([one.responses for one in scored])}
        # Rows of an earlier study file must go; a study that never named any has no such table.
        if ws.study.metrics.alternatives or is_present(ws.store.path(TABLE, concept, key)):
            frames[TABLE] = pl.concat([one.alternatives for one in scored])
        frames["corpus_metrics"] = pl.concat([one.corpus for one in scored], how="diagonal_relaxed")
        yield (concept, key), frames
    ws.report(stage, len(partitions), len(partitions))


def _joined(ws: Workspace, concept: str, key: str) -> pl.DataFrame:
    measured = ws.store.read("measurements", concept, key).drop(*IDENTITY, "prompt_id", "sample", "scorer")
    return ws.store.read("responses", concept, key).join(measured, on="row_id", how="left", maintain_order="left")


def reference_of(ws: Workspace, concept: str, model: str, stage: str) -> Reference:
    """Return what coherence is judged against: the unsteered and prompted replies of the cell."""

    def read() -> Reference:
        frame = _joined(ws, concept, model).filter(pl.col("method").is_in(["unsteered", "prompted"]))
        prompts, texts = (ws.embed(frame[name].to_list(), stage) for name in ("prompt", "text"))
        random = random_pair_cosines(prompts, texts, ws.rng("reference", concept, model))
        return fit_reference(_floats(frame, "nll"), _floats(frame, "relevance_cosine"), random)

    return ws.remember(("reference", concept, model, upstream(ws, "measurements", concept, model)), read)


@dataclass(frozen=True)
class Scored:
    """The scores of one corpus as rows of `response_metrics`, `corpus_metrics` and `alternative_metrics`."""

    responses: pl.DataFrame
    corpus: pl.DataFrame
    alternatives: pl.DataFrame


def score_rows(
    ws: Workspace,
    concept: str,
    rows: pl.DataFrame,
    reference: Reference,
    stage: str,
    settings: MetricSettings | None = None,
    with_intervals: bool = True,
) -> Scored:
    """Return the scores of the measured responses of one corpus; settings default to the study's."""
    settings = settings or settings_of(ws)
    texts = rows["text"].to_list()
    measured = Measured(
        texts=texts,
        prompt_ids=rows["prompt_id"].to_list(),
        judge_probability=_floats(rows, "judge_probability"),
        nll=_floats(rows, "nll"),
        relevance_cosine=_floats(rows, "relevance_cosine"),
        embeddings=ws.embed(texts, stage, settings.embedding),
        real_embeddings=real_embeddings(ws, concept, settings.alternatives, settings.embedding, stage),
    )
    # Seeded by concept alone: every configuration is subsampled at the same places, which pairs their comparisons.
    scores = score_corpus(measured, reference, settings, ws.rng("subsamples", concept))
    intervals = corpus_intervals(measured, scores, settings, ws.rng("intervals", concept)) if with_intervals else None
    version = pl.lit(scores.version).alias("metric_version")
    columns = [pl.Series(name, values).fill_nan(None) for name, values in scores.responses.items()]
    per_response = rows.select(*IDENTITY, "row_id", "prompt_id", "sample").with_columns(*columns, version)
    reason = "; ".join(f"{name}: {why}" for name, why in scores.reasons.items() if name not in settings.alternatives) or None
    corpus = {name: value for name, value in scores.corpus.items() if name not in settings.alternatives}
    values = [_literal(name, value) for name, value in (corpus | (_ends(intervals) if intervals else {})).items()]
    per_corpus = rows.head(1).select(*IDENTITY).with_columns(*values, pl.lit(reason, pl.String).alias("reason"), version)
    per_corpus = per_corpus.with_columns(embedding=pl.lit(scores.embedding))
    others = alternative_rows(rows.head(1).select(*IDENTITY), scores, settings.alternatives, settings.subsample_size)
    return Scored(per_response, per_corpus, others)


def _ends(intervals: Mapping[str, Interval]) -> dict[str, float | None]:
    return {f"{name}_{end}": value for name in WITH_INTERVAL for end, value in zip(("lo", "hi"), intervals[name], strict=True)}


def _floats(frame: pl.DataFrame, column: str) -> np.ndarray:
    """Return a column as float64 with NaN where the table says NULL."""
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _literal(name: str, value: float | int | None) -> pl.Expr:
    # An undefined value has no type of its own; counts are never undefined.
    return pl.lit(value, pl.Int64 if isinstance(value, int) else pl.Float64).alias(name)


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    shown = ("success", "coherence", "diversity", "hm", "hm_sc", "vendi", "self_bleu", "n", "n_null", "reason")
    if frame.height == 1:
        row = frame.row(0, named=True)
        return {"metadata": {name: row.get(name) for name in shown}}
    names = [f"{method}:{template}" if template else str(method) for method, template in frame.select("method", "template").rows()]
    return {"metadata": {f"hm_{name}": value for name, value in zip(names, frame["hm"], strict=True)}}


_STEERED = Stage(
    "corpus_metrics", "corpus_metrics", _key, lambda ws, p, f: _produce(ws, p, f, "corpus_metrics"), _summarise,
    tables=("response_metrics", "corpus_metrics"),
)  # fmt: skip
_BASELINE = Stage("baseline_metrics", "corpus_metrics", _key, lambda ws, p, f: _produce(ws, p, f, "baseline_metrics"), _summarise)
