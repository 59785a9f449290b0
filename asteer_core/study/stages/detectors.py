"""Detectors: for each configuration, detectors trained with its corpus as the violating examples and tested on real text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from asteer_core.detectors import DuplicateIndex, TextSet, audit_arm, compare, draw, evaluate, train_arm
from asteer_core.detectors.ranking import auroc
from asteer_core.errors import AsteerError, DataError
from asteer_core.study.done import Done, Failures
from asteer_core.study.plan import steered
from asteer_core.study.runs import recorded
from asteer_core.study.stages._run import Frames, Partition, Stage, by_configuration, tag, upstream
from asteer_core.study.stages.corpora import cell_baselines
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration, fingerprint

VERSION = 2
DRAWN_SHARE = 0.8
"""Part of a corpus drawn as positives by each seed, unless the study fixes a number: with all of it, seeds would not differ."""

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
class Trial:
    """What all arms of a concept share: real texts, the tested rows, and the negatives of each seed."""

    positives: TextSet
    negatives: TextSet
    tested: TextSet
    rows: pl.DataFrame
    duplicates: DuplicateIndex

    def mask(self, split: str) -> np.ndarray:
        """Return which tested rows belong to `split`, bool [text]."""
        return (self.rows["split"] == split).to_numpy()


def trial_of(ws: Workspace, concept: str, stage: str) -> Trial:
    """Return the real data of a concept, embedded once."""

    def read() -> Trial:
        real = ws.concept(concept).real

        def part(splits: list[str]) -> tuple[pl.DataFrame, TextSet]:
            rows = real.filter(pl.col("split").is_in(splits))
            texts = rows["response"].to_list()
            return rows, TextSet(tuple(texts), ws.embed(texts, stage), f"concept {concept}, {' and '.join(splits)}")

        rows, tested = part(["validation", "test"])
        return Trial(part(["detector_positives"])[1], part(["detector_negatives"])[1], tested, rows, DuplicateIndex(tested))

    return ws.remember(("trial", concept), read)


def _key(ws: Workspace, concept: str, key: str | None) -> str:
    inputs = [upstream(ws, "responses", concept, key), ws.concept(concept).real_fingerprint]
    if ":" in str(key):
        inputs.append(upstream(ws, "detector_metrics", concept, str(key).split(":")[0]))
    return fingerprint(["detectors", VERSION, DRAWN_SHARE, str(ws.study.detectors), ws.study.seed, *inputs])


def _produce_steered(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for number, (concept, key) in enumerate(partitions):
        ws.report("detectors", number, len(partitions), f"{concept}, {key}")
        try:
            configuration = steered(ws.study, concept, str(key))
            responses = ws.store.read("responses", concept, key)
            arm = _train(ws, configuration, responses["text"].to_list(), "detectors")
            yield (concept, key), _frames(ws, [arm], _prompted_scores(ws, concept, configuration.model), "detectors")
        except AsteerError as error:
            failures.add(concept, key, error)
    ws.report("detectors", len(partitions), len(partitions))


def _produce_baseline(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    for number, (concept, model) in enumerate(partitions):
        ws.report("baseline_detectors", number, len(partitions), f"{concept}, {model}")
        try:
            responses = dict(by_configuration(ws.store.read("responses", concept, model)))
            arms = [(found, responses[found.id]["text"].to_list()) for found in cell_baselines(ws, concept, str(model))]
            real = Configuration(concept, str(model), "real", seed=ws.study.seed)
            arms.append((real, list(trial_of(ws, concept, "baseline_detectors").positives.texts)))
            trained = [_train(ws, found, texts, "baseline_detectors") for found, texts in arms]
            prompted = {arm.configuration.id: arm.scores for arm in trained if arm.configuration.method == "prompted"}
            yield (concept, model), _frames(ws, trained, prompted, "baseline_detectors")
        except AsteerError as error:
            failures.add(concept, model, error)
    ws.report("baseline_detectors", len(partitions), len(partitions))


Scores = dict[str, np.ndarray]
"""Detector kind -> scores of the tested rows, float64 [seed, text]."""


@dataclass(frozen=True)
class Arm:
    """A trained arm: its positives without near-duplicates of test texts, the counts of those, and the scores it gives."""

    configuration: Configuration
    positives: TextSet
    duplicates: dict[str, int | None]
    scores: Scores


def n_positives(ws: Workspace) -> int:
    """Return how many positives every arm trains on: the same number for all, so that arms are comparable."""
    return ws.study.detectors.positives or max(1, round(DRAWN_SHARE * ws.study.size.prompts * ws.study.size.samples))


def _positives(ws: Workspace, configuration: Configuration, texts: list[str], stage: str) -> tuple[TextSet, dict[str, int | None]]:
    where = f"concept {configuration.concept}, configuration {configuration.key}"
    everything = TextSet(tuple(texts), ws.embed(texts, stage), where)
    keep, counts = trial_of(ws, configuration.concept, stage).duplicates.check(everything)
    if not keep.any():
        raise DataError(f"{where}: all {len(keep)} texts are near-duplicates of test texts; nothing is left to train on")
    return everything.take(keep), counts


def _negatives(ws: Workspace, concept: str, seed: int, stage: str) -> TextSet:
    """Return the negatives of one seed: seeded without the configuration, so the same ones in every arm."""
    count = round(ws.study.detectors.negatives_per_positive * n_positives(ws))
    return draw(trial_of(ws, concept, stage).negatives, count, ws.rng("negatives", concept, str(seed)))


def _train(ws: Workspace, configuration: Configuration, texts: list[str], stage: str) -> Arm:
    tested = trial_of(ws, configuration.concept, stage).tested
    positives, duplicates = _positives(ws, configuration, texts, stage)
    negatives = [_negatives(ws, configuration.concept, seed, stage) for seed in range(ws.study.detectors.seeds)]
    scores = {
        kind: np.stack([train_arm(kind, positives, found, tested, [seed], n_positives(ws))[0] for seed, found in enumerate(negatives)])
        for kind in ws.study.detectors.kinds
    }
    return Arm(configuration, positives, duplicates, scores)


def _prompted_scores(ws: Workspace, concept: str, model: str) -> dict[str, Scores]:
    """Return the stored scores of the prompted arms of a cell, by configuration id."""

    def read() -> dict[str, Scores]:
        frame = ws.store.read("detector_scores", concept, model).filter(pl.col("method") == "prompted")
        found: dict[str, Scores] = {}
        for name, rows in by_configuration(frame):
            kinds = {str(kind): part for (kind,), part in rows.group_by("detector", maintain_order=True)}
            seeds = ws.study.detectors.seeds
            # Rows were written seed by seed in the order of the tested rows.
            found[name] = {
                kind: part.sort("detector_seed", maintain_order=True)["score"].to_numpy().astype(float).reshape(seeds, -1)
                for kind, part in kinds.items()
            }
        return found

    return ws.remember(("prompted", concept, model, upstream(ws, "detector_metrics", concept, model)), read)


def _frames(ws: Workspace, arms: list[Arm], prompted: dict[str, Scores], stage: str) -> Frames:
    scores = [_score_rows(ws, arm.configuration, arm.scores, stage) for arm in arms]
    metrics = [row for arm in arms for row in _metric_rows(ws, arm, prompted, stage)]
    return {"detector_scores": pl.concat(scores), "detector_metrics": pl.concat(metrics, how="diagonal_relaxed")}


def _score_rows(ws: Workspace, configuration: Configuration, scores: Scores, stage: str) -> pl.DataFrame:
    rows = trial_of(ws, configuration.concept, stage).rows.select("split", "group", "label", test_id="id")
    parts = [
        rows.with_columns(detector=pl.lit(kind), detector_seed=pl.lit(seed, pl.Int64), score=pl.Series(found[seed], dtype=pl.Float32))
        for kind, found in scores.items()
        for seed in range(len(found))
    ]
    return tag(ws, configuration, pl.concat(parts).with_columns(arm=pl.lit(arm_of(configuration))))


def _metric_rows(ws: Workspace, arm: Arm, prompted: dict[str, Scores], stage: str) -> Iterator[pl.DataFrame]:
    configuration = arm.configuration
    trial = trial_of(ws, configuration.concept, stage)
    negatives = _negatives(ws, configuration.concept, 0, stage)
    is_real = configuration.method == "real"
    # The pool of real positives is larger than what an arm trains on; the audit is of a training set.
    audited = draw(arm.positives, n_positives(ws), ws.rng("audited", configuration.concept)) if is_real else arm.positives
    audits = audit_arm(audited, negatives, ws.rng("audit", configuration.concept), None if is_real else trial.positives, arm.duplicates)
    for kind, found in arm.scores.items():
        row: dict[str, Any] = {
            "arm": arm_of(configuration),
            "detector": kind,
            "n_positives": n_positives(ws),
            "n_negatives": len(negatives),
            "seeds": len(found),
            "validation_auroc": _validation_auroc(trial, found),
            **_quality(ws, trial, configuration, found),
            **_against_prompting(ws, trial, configuration, kind, found, prompted),
            "duplicates_removed": (arm.duplicates["total"] or 0) - len(arm.positives),
            **audits,
        }
        yield tag(ws, configuration, pl.DataFrame([row], infer_schema_length=None))


def _validation_auroc(trial: Trial, scores: np.ndarray) -> float:
    """Return the AUROC on the validation split, mean over seeds; choices are made with it, never with the test split."""
    mask = trial.mask("validation")
    labels = trial.rows["label"].to_numpy()[mask]
    return float(np.mean([auroc(labels, row[mask], np.ones((len(labels), 1)))[0] for row in scores]))


def _quality(ws: Workspace, trial: Trial, configuration: Configuration, scores: np.ndarray) -> dict[str, float | int | None]:
    mask = trial.mask("test")
    rows = trial.rows.filter(mask)
    where = f"concept {configuration.concept}, configuration {configuration.key}, test"
    # One generator per concept: every arm is resampled with the same prompt groups.
    rng = ws.rng("evaluate", configuration.concept)
    found = evaluate(rows["label"].to_numpy(), scores[:, mask], rows["group"].to_numpy(), rng, ws.study.detectors.bootstrap, where)
    return {name: value for name, value in found.items() if name not in ("n_positive", "n_negative", "n_groups", "n_seeds")}


def _against_prompting(
    ws: Workspace, trial: Trial, configuration: Configuration, kind: str, scores: np.ndarray, prompted: dict[str, Scores]
) -> dict[str, float | str | None]:
    """Return the AUROC difference to the mean prompted arm and to the best one, which is chosen on the validation split."""
    if not prompted:
        return {}
    mask = trial.mask("test")
    rows = trial.rows.filter(mask)
    best = max(prompted, key=lambda name: _validation_auroc(trial, prompted[name][kind]))
    rivals = {"": np.concatenate([found[kind] for found in prompted.values()]), "_best": prompted[best][kind]}
    result: dict[str, float | str | None] = {"best_prompted_id": best}
    for suffix, rival in rivals.items():
        difference = compare(
            rows["label"].to_numpy(), scores[:, mask], rival[:, mask], rows["group"].to_numpy(),
            ws.rng("compare", configuration.concept), ws.study.detectors.bootstrap, f"concept {configuration.concept}, {configuration.key}",
        )  # fmt: skip
        result |= {f"difference{suffix}": difference.estimate, f"difference{suffix}_lo": difference.lo}
        result |= {f"difference{suffix}_hi": difference.hi, f"p{suffix}": difference.p}
    return result


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


_STEERED = Stage("detectors", "detector_metrics", _key, _produce_steered, _summarise)
_BASELINE = Stage("baseline_detectors", "detector_metrics", _key, _produce_baseline, _summarise)
