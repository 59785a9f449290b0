"""Measurements: what models say of each response (judge, scorer LM, sentence encoder), made once; scores are arithmetic on them."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import AsteerError, ConfigError, ModelError
from asteer_core.judges import Verdicts
from asteer_core.study.done import Done, Failures
from asteer_core.study.runs import recorded
from asteer_core.study.stages._run import IDENTITY, Frames, Partition, Stage, upstream
from asteer_core.study.stages.judges import judge_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint

VERSION = 1
PARTITIONS_AT_ONCE = 16
"""Partitions measured together: long enough batches for the scorer and encoder, little lost in a kill."""


@recorded
def measurements(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, configuration key); a row per response in `measurements`."""
    yield from _STEERED.run(ws, pairs)


@recorded
def baseline_measurements(ws: Workspace, cells: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, model), for the corpora of the baselines."""
    yield from _BASELINE.run(ws, cells)


def measurements_are_current(ws: Workspace, concept: str, key: str) -> bool:
    """Return whether the measurements of a steered corpus are stored and up to date."""
    return _STEERED.current(ws, (concept, key))


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    model = str(key).split(":")[0]
    inputs = [upstream(ws, "responses", concept, key), upstream(ws, "judges", concept, None), ws.model_fingerprint(ws.scorer_of(model))]
    return fingerprint(["measurements", VERSION, *inputs])


def _produce(ws: Workspace, partitions: list[Partition], failures: Failures, stage: str) -> Iterator[tuple[Partition, Frames]]:
    down: JudgeDown | None = None
    ordered = sorted(partitions, key=lambda partition: (str(partition[1]).split(":")[0], partition[0]))
    for first in range(0, len(ordered), PARTITIONS_AT_ONCE):
        ws.report(stage, first, len(ordered), "scoring responses")
        lot = ordered[first : first + PARTITIONS_AT_ONCE]
        for model, concept in sorted({(str(key).split(":")[0], concept) for concept, key in lot}):
            mine = [p for p in lot if p[0] == concept and str(p[1]).split(":")[0] == model]
            if down is not None:
                # An endpoint that is gone, or a budget that is spent, would be waited for again with every lot.
                for partition in mine:
                    failures.add(*partition, down)
                continue
            try:
                frame = pl.concat([ws.store.read("responses", *partition).with_columns(_key=pl.lit(partition[1])) for partition in mine])
                measured = measure(ws, concept, model, frame, stage)
            except AsteerError as error:
                down = error if isinstance(error, JudgeDown) else None
                for partition in mine:
                    failures.add(*partition, error)
                continue
            for partition in mine:
                yield partition, {"measurements": measured.filter(pl.col("_key") == partition[1]).drop("_key")}
    ws.report(stage, len(ordered), len(ordered))


def measure(ws: Workspace, concept: str, model: str, responses: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Return the measurements of a frame of responses of one concept and model, in its order."""
    from asteer_core.model import mean_token_nll

    prompts, texts = responses["prompt"].to_list(), responses["text"].to_list()
    embeddings = ws.embed(texts, stage)
    relevance = np.einsum("td,td->t", ws.embed(prompts, stage), embeddings)
    verdicts = _verdicts(ws, concept, texts, prompts, embeddings, stage)
    nll, n_tokens = mean_token_nll(ws.model(ws.scorer_of(model)), prompts, texts)
    columns: dict[str, Any] = {
        "judge_probability": verdicts.success,
        "judge_coherence": verdicts.coherence,
        "nll": nll,
        "relevance_cosine": relevance.astype(np.float64),
    }
    kept = responses.select(*IDENTITY, "row_id", "prompt_id", "sample", *(["_key"] if "_key" in responses.columns else []))
    # NaN is numpy's "undefined"; in tables undefined is NULL.
    series = [pl.Series(name, values, dtype=pl.Float64).fill_nan(None) for name, values in columns.items()]
    series += [pl.Series("judge_reason", verdicts.reasons, dtype=pl.String), pl.Series("nll_tokens", n_tokens, dtype=pl.Int64)]
    return kept.with_columns(*series, pl.lit(ws.scorer_of(model)).alias("scorer"))


class JudgeDown(AsteerError):
    """No further verdict can be had; those until then are kept by the judge."""


def _verdicts(ws: Workspace, concept: str, texts: list[str], prompts: list[str], embeddings: np.ndarray, stage: str) -> Verdicts:
    judge = judge_of(ws, concept)
    try:
        with ws.judge_tools.heard_by(lambda done, total: ws.report(stage, done, total, f"asking the judge of {concept}")):
            return judge.judge(texts, prompts, embeddings)
    except (ModelError, ConfigError) as error:
        raise JudgeDown(str(error)) from error


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    names = ("judge_probability", "nll", "relevance_cosine")
    means = {f"mean_{name}": frame[name].mean() for name in names}
    return {"metadata": {**means, **{f"null_{name}": frame[name].null_count() for name in names}}}


_STEERED = Stage(
    "measurements", "measurements", _key, lambda ws, p, f: _produce(ws, p, f, "measurements"), _summarise, tables=("measurements",)
)
_BASELINE = Stage("baseline_measurements", "measurements", _key, lambda ws, p, f: _produce(ws, p, f, "baseline_measurements"), _summarise)
