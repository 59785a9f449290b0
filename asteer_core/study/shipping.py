"""Detectors of a finished study as folders to ship: one configuration on request, or the best by validation of each concept and kind.

A shipped detector is the one the study scored with its first seed, trained again. Not here: the folder's form
(`asteer_core.detectors.persistence`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from asteer_core.detectors import TextSet, audit_arm, evaluate
from asteer_core.detectors.cards import DetectorCard, Result, Training
from asteer_core.detectors.persistence import save_detector
from asteer_core.errors import DataError, StoreError, unknown_name
from asteer_core.study.kinds import KindChoice
from asteer_core.study.stages.detectors import arm_of, arm_texts, fitted
from asteer_core.study.trial import VALIDATION, n_positives, negatives_of, positives_of, trial_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration, key_of
from asteer_core.versions import asteer_version, library_versions

STAGE = "detect train"
SEED = 0


def candidates(ws: Workspace, concept: str) -> pl.DataFrame:
    """Return the stored rows of `detector_metrics` of a concept, best by validation first.

    Raises:
        StoreError: no detector of the concept is stored.
    """
    partitions = [pair for pair in (*ws.plan.pairs, *ws.plan.cells) if pair[0] == concept]
    found = ws.store.read_many("detector_metrics", partitions)
    if found.is_empty():
        raise StoreError(f"study {ws.study.name!r} has no detectors of concept {concept!r} yet; run it: asteer study run {ws.study.name}")
    return found.sort("validation_auroc", "configuration_id", descending=[True, False], nulls_last=True)


def best_configuration(ws: Workspace, concept: str, detector: str) -> str:
    """Return the id of the steered configuration with the highest validation AUROC; the test set has no say.

    Raises:
        StoreError: there is none.
    """
    rows = candidates(ws, concept).filter((pl.col("detector") == detector) & (pl.col("arm") == "steered"))
    if rows.is_empty():
        raise StoreError(f"study {ws.study.name!r}: no steered configuration of {concept!r} has a detector {detector!r} yet; run the study")
    return str(rows["configuration_id"][0])


def ship(ws: Workspace, concept: str, configuration: str, detector: str, out: Path, *, overwrite: bool = False) -> Path:
    """Train the study's detector of one configuration (its first seed), save it under `out` with card and thresholds, and return `out`.

    Args:
        configuration: an id or key of the study, such as llama-3m:caa:L01:s0.60, or `best` for the best by validation.
        detector: a name under `detectors.kinds` of the study.

    Raises:
        ConfigError: no such concept, configuration or detector in the study; the nearest is suggested.
        StoreError: the study has not come that far, or `out` cannot be written.
    """
    if concept not in ws.plan.concepts:
        raise unknown_name("concept of the study", concept, ws.plan.concepts)
    choice = _choice(ws, detector)
    chosen = _configuration(ws, concept, best_configuration(ws, concept, detector) if configuration == "best" else configuration)
    return _ship(ws, chosen, arm_texts(ws, chosen), choice, out, overwrite)


def ship_texts(
    ws: Workspace, configuration: Configuration, texts: pl.DataFrame, detector: str, out: Path, *, overwrite: bool = False
) -> Path:
    """Train the study's detector on violating texts (`prompt`, `text`) as on the corpus of a configuration, save it, and return `out`.

    Args:
        configuration: what the card calls the texts.

    Raises:
        ConfigError: no such detector in the study; the nearest is suggested.
        StoreError: `out` cannot be written.
    """
    return _ship(ws, configuration, texts, _choice(ws, detector), out, overwrite)


def _choice(ws: Workspace, detector: str) -> KindChoice:
    choices = {choice.name: choice for choice in ws.study.detectors.kinds}
    if detector not in choices:
        raise unknown_name("detector of the study", detector, choices)
    return choices[detector]


def _ship(ws: Workspace, configuration: Configuration, texts: pl.DataFrame, choice: KindChoice, out: Path, overwrite: bool) -> Path:
    positives, duplicates = positives_of(ws, configuration, texts, STAGE)
    found = next(iter(fitted(ws, configuration, positives, choice, STAGE, seeds=[SEED])))
    trial = trial_of(ws, configuration.concept, STAGE)
    scores, mask = found.score(trial.tested), trial.mask(VALIDATION)
    card = _card(ws, configuration, choice, scores, positives, duplicates)
    return save_detector(out, found, card, (scores[mask], trial.rows["label"].to_numpy()[mask]), overwrite=overwrite)


def _configuration(ws: Workspace, concept: str, name: str) -> Configuration:
    row = candidates(ws, concept)
    known = {found.id: found for found in (_from_row(one) for one in row.unique("configuration_id").rows(named=True))}
    keys = {found.key: found for found in known.values()}
    if name not in known and name not in keys:
        raise unknown_name(f"configuration of {concept}", name, keys)
    return known.get(name) or keys[name]


def _from_row(row: dict) -> Configuration:
    # The columns hold what dials left to the study resolved to; the id holds what was asked for.
    made = Configuration.parse(row["concept"], key_of(row["configuration_id"]), seed=row["seed"])
    if made.id != row["configuration_id"]:
        raise StoreError(
            f"{row['configuration_id']}: its key and seed make {made.id}; the store is of another version, so run the study again"
        )
    return made


def _card(
    ws: Workspace, configuration: Configuration, choice: KindChoice, scores: np.ndarray, positives: TextSet, duplicates: dict
) -> DetectorCard:
    concept, kind = configuration.concept, choice.build()
    trial, negatives = trial_of(ws, concept, STAGE), negatives_of(ws, concept, SEED, STAGE)
    name = kind.language_model()
    audits = audit_arm(
        positives,
        negatives,
        ws.rng("audit", concept),
        None if configuration.method == "real" else trial.positives,
        duplicates,
        trial.judged.check(TextSet(positives.texts + negatives.texts))[1],
    )
    return DetectorCard(
        name=f"{concept}-{choice.name}-{configuration.key}".replace(":", "-"),
        kind=choice.kind,
        options=choice.options,
        training=Training(
            concept=concept, arm=arm_of(configuration), configuration=configuration.key, study=ws.study.name,
            n_positives=n_positives(ws.study), n_negatives=len(negatives), replaced=ws.study.detectors.replace, seed=SEED,
            data_fingerprint=ws.concept(concept).real_fingerprint, sources=tuple(sorted(set(trial.rows["source"]))),
        ),
        results=_results(ws, configuration, scores),
        audits=audits,
        encoder=ws.encoder.name if "embeddings" in kind.reads() else None,
        language_model=ws.model(name).fingerprint if name else None,
        versions={"asteer": asteer_version(), **library_versions()},
    )  # fmt: skip


def _results(ws: Workspace, configuration: Configuration, scores: np.ndarray) -> tuple[Result, ...]:
    trial, results = trial_of(ws, configuration.concept, STAGE), []
    for source, domain, mask in trial.domains():
        rows = trial.rows.filter(mask)
        labels, groups, rng = rows["label"].to_numpy(), rows["group"].to_numpy(), ws.rng("evaluate", configuration.concept)
        try:
            measures = evaluate(labels, scores[mask], groups, rng, ws.study.detectors.bootstrap, source)
        except DataError:  # a source of one class has no AUROC; the table of the study gives the reason
            continue
        results.append(Result(test_set=source, domain="in" if domain == "in" else "out", measures=measures))
    return tuple(results)
