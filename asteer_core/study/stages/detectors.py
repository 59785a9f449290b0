"""Detectors: for each configuration, detectors trained with its corpus as the violating examples and tested on real text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from asteer_core.detectors import Detector, TextSet, fit_arm
from asteer_core.errors import AsteerError
from asteer_core.study.done import Done, Failures
from asteer_core.study.kinds import KindChoice
from asteer_core.study.runs import recorded
from asteer_core.study.stages._kept_scores import KeptScores
from asteer_core.study.stages._quality import Scores, domain_rows, metric_rows, quality
from asteer_core.study.stages._resolution import resolved
from asteer_core.study.stages._run import Frames, Partition, Stage, by_configuration, tag, upstream
from asteer_core.study.stages.corpora import cell_baselines
from asteer_core.study.trial import DRAWN_SHARE, aids_of, checkpoints_of, n_positives, negatives_of, positives_of, trial_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration, fingerprint

VERSION = 4

SHOWN = (
    "auroc", "auroc_lo", "auroc_hi", "difference", "difference_lo", "difference_hi", "length_auroc", "generator_auroc", "judge_overlap",
    "flags",
)  # fmt: skip

CONTROLS = ("unsteered", "prompted", "random", "real")


@recorded
def detectors(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, configuration key); scores in `detector_scores`, quality in `detector_metrics`."""
    yield from _STEERED.run(ws, pairs)


@recorded
def baseline_detectors(ws: Workspace, cells: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, model): the real, prompted, unsteered and random-direction arms."""
    yield from _BASELINE.run(ws, cells)


def arm_of(configuration: Configuration) -> str:
    """Return where a configuration's positives come from: one of the controls by name, or `steered`."""
    return configuration.method if configuration.method in CONTROLS else "steered"


@dataclass(frozen=True)
class Arm:
    """A trained arm: its positives without near-duplicates of test texts, the counts of those, and the scores it gives."""

    configuration: Configuration
    positives: TextSet
    duplicates: dict[str, int | None]
    scores: Scores


def arm_texts(ws: Workspace, configuration: Configuration) -> pl.DataFrame:
    """Return prompts and texts of an arm's positives (`prompt`, `text`): a stored corpus, or the real positives.

    Raises:
        StoreError: the corpus is not stored.
    """
    concept = configuration.concept
    if configuration.method == "real":
        real = ws.concept(concept).real.filter(pl.col("split") == "detector_positives")
        return real.select("prompt", text="response")
    key = configuration.model if arm_of(configuration) in CONTROLS else configuration.key
    responses = ws.store.read("responses", concept, key)
    return responses.filter(pl.col("configuration_id") == configuration.id).select("prompt", "text")


def fitted(
    ws: Workspace, configuration: Configuration, positives: TextSet, choice: KindChoice, stage: str, seeds: Iterable[int] | None = None
) -> Iterator[Detector]:
    """Yield the detectors of one kind, one per seed of the study; equal calls give equal detectors."""
    real = trial_of(ws, configuration.concept, stage).positives
    kind, count, share = choice.build(), n_positives(ws.study), ws.study.detectors.replace
    if name := kind.language_model():
        # Another probe of the study may read more blocks of the same model; this one chooses among its own.
        positives = positives.at_blocks(name, kind.blocks(ws.depth(name)))
    for seed in range(ws.study.detectors.seeds_of(choice)) if seeds is None else seeds:
        negatives = negatives_of(ws, configuration.concept, seed, stage)
        aids = [aids_of(ws, configuration, choice, seed, stage)]
        yield from fit_arm(kind, positives, negatives, [seed], count, real if share < 1 else None, share, aids)


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    inputs = [upstream(ws, "responses", concept, key), ws.concept(concept).real_fingerprint]
    inputs += ws.remember("kinds", lambda: [_identity(ws, choice) for choice in ws.study.detectors.kinds])
    if ":" in str(key):
        inputs.append(upstream(ws, "detector_metrics", concept, str(key).split(":")[0]))
    return fingerprint(["detectors", VERSION, DRAWN_SHARE, str(ws.study.detectors), ws.study.seed, *inputs])


def _identity(ws: Workspace, choice: KindChoice) -> str:
    """Return the hash of the pretrained weights that a kind builds on, if any."""
    kind = choice.build()
    name = kind.language_model()
    return ws.model_fingerprint(name) if name else kind.identity()


def _produce_steered(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for number, (concept, key) in enumerate(partitions):
        ws.report("detectors", number, len(partitions), f"{concept}, {key}")
        try:
            configuration = resolved(ws, concept, str(key))
            kept = _kept(ws, concept, key, "detectors")
            arm = _train(ws, configuration, "detectors", kept)
            yield (concept, key), _frames(ws, [arm], _prompted_scores(ws, concept, configuration.model), "detectors")
            if kept is not None:
                kept.forget()
        except AsteerError as error:
            failures.add(concept, key, error)
    ws.report("detectors", len(partitions), len(partitions))


def _produce_baseline(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for number, (concept, model) in enumerate(partitions):
        ws.report("baseline_detectors", number, len(partitions), f"{concept}, {model}")
        try:
            arms = [*cell_baselines(ws, concept, str(model)), Configuration(concept, str(model), "real", seed=ws.study.seed)]
            kept = _kept(ws, concept, model, "baseline_detectors")
            trained = [_train(ws, found, "baseline_detectors", kept) for found in arms]
            prompted = {arm.configuration.id: arm.scores for arm in trained if arm.configuration.method == "prompted"}
            yield (concept, model), _frames(ws, trained, prompted, "baseline_detectors")
            if kept is not None:
                kept.forget()
        except AsteerError as error:
            failures.add(concept, model, error)
    ws.report("baseline_detectors", len(partitions), len(partitions))


def quality_of_texts(ws: Workspace, configuration: Configuration, texts: pl.DataFrame, stage: str) -> dict[str, dict[str, Any]]:
    """Return, by detector, the quality of detectors trained on `texts` (`prompt`, `text`), exactly as for a configuration of a study.

    Columns of `detector_metrics`: `validation_auroc`, and each measure on the test split with its interval.
    """
    positives, _ = positives_of(ws, configuration, texts, stage)
    return quality(ws, configuration, _scores(ws, configuration, positives, stage), stage)


def _kept(ws: Workspace, concept: str, key: str | None, stage: str) -> KeptScores | None:
    """Return where the scores of a partition's long trainings are kept until its tables are stored; None where no kind trains for long."""
    if not any(choice.build().trains_long for choice in ws.study.detectors.kinds):
        return None
    return KeptScores(checkpoints_of(ws) / "scores" / _key(ws, concept, key), trial_of(ws, concept, stage).rows.height)


def _train(ws: Workspace, configuration: Configuration, stage: str, kept: KeptScores | None) -> Arm:
    positives, duplicates = positives_of(ws, configuration, arm_texts(ws, configuration), stage)
    return Arm(configuration, positives, duplicates, _scores(ws, configuration, positives, stage, kept))


def _scores(ws: Workspace, configuration: Configuration, positives: TextSet, stage: str, kept: KeptScores | None = None) -> Scores:
    tested = trial_of(ws, configuration.concept, stage).tested

    def score(choice: KindChoice, seed: int) -> np.ndarray:
        return next(fitted(ws, configuration, positives, choice, stage, [seed])).score(tested)

    def kept_or_scored(choice: KindChoice, seed: int) -> np.ndarray:
        # Short trainings are not worth a file each.
        if kept is None or not choice.build().trains_long:
            return score(choice, seed)
        name = fingerprint([configuration.id, choice.model_dump(), seed])
        return kept.get(name, lambda: score(choice, seed))

    return {
        choice.name: np.stack([kept_or_scored(choice, seed) for seed in range(ws.study.detectors.seeds_of(choice))])
        for choice in ws.study.detectors.kinds
    }


def stored_scores(frame: pl.DataFrame) -> Scores:
    """Return kind -> float64 [seed, tested row] of one configuration's rows in `detector_scores`."""
    found = {}
    for (kind,), rows in frame.group_by("detector", maintain_order=True):
        # Rows were written seed by seed in the order of the tested rows.
        scores = rows.sort("detector_seed", maintain_order=True)["score"].to_numpy().astype(float)
        found[str(kind)] = scores.reshape(rows["detector_seed"].n_unique(), -1)
    return found


def _prompted_scores(ws: Workspace, concept: str, model: str) -> dict[str, Scores]:
    """Return the stored scores of the prompted arms of a cell, by configuration id."""

    def read() -> dict[str, Scores]:
        frame = ws.store.read("detector_scores", concept, model).filter(pl.col("method") == "prompted")
        return {name: stored_scores(rows) for name, rows in by_configuration(frame)}

    return ws.remember(("prompted", concept, model, upstream(ws, "detector_metrics", concept, model)), read)


def _frames(ws: Workspace, arms: list[Arm], prompted: dict[str, Scores], stage: str) -> Frames:
    made: dict[str, list[pl.DataFrame]] = {"detector_scores": [], "detector_domains": [], "detector_metrics": []}
    for arm in arms:
        rows = trial_of(ws, arm.configuration.concept, stage).rows.select("split", "group", "label", "source", test_id="id")
        named = pl.lit(arm_of(arm.configuration)).alias("arm")
        made["detector_scores"].append(tag(ws, arm.configuration, _score_rows(rows, arm.scores).with_columns(named)))
        for table, found in (
            ("detector_metrics", metric_rows(ws, arm.configuration, arm.positives, arm.duplicates, arm.scores, prompted, stage)),
            ("detector_domains", domain_rows(ws, arm.configuration, arm.scores, stage)),
        ):
            made[table].append(tag(ws, arm.configuration, pl.DataFrame(found, infer_schema_length=None).with_columns(named)))
    return {table: pl.concat(parts, how="diagonal_relaxed") for table, parts in made.items()}


def _score_rows(rows: pl.DataFrame, scores: Scores) -> pl.DataFrame:
    parts = [
        rows.with_columns(detector=pl.lit(kind), detector_seed=pl.lit(seed, pl.Int64), score=pl.Series(found[seed], dtype=pl.Float32))
        for kind, found in scores.items()
        for seed in range(len(found))
    ]
    return pl.concat(parts)


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    headline = frame.filter(pl.col("detector") == frame["detector"][0])
    if headline.height == 1:
        row = headline.row(0, named=True)
        shown = (
            "auroc",
            "auroc_lo",
            "auroc_hi",
            "difference",
            "difference_lo",
            "difference_hi",
            "length_auroc",
            "generator_auroc",
            "flags",
        )
        return {"metadata": {name: row.get(name) for name in shown}}
    names = [f"{arm}:{template}" if template else str(arm) for arm, template in headline.select("arm", "template").rows()]
    return {"metadata": {f"auroc_{name}": value for name, value in zip(names, headline["auroc"], strict=True)}}


_STEERED = Stage(
    "detectors", "detector_metrics", _key, _produce_steered, _summarise, tables=("detector_scores", "detector_domains", "detector_metrics")
)
_BASELINE = Stage("baseline_detectors", "detector_metrics", _key, _produce_baseline, _summarise)
