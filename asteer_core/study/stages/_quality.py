"""How good a trained arm is: quality on test rows, audits of its training set, and its difference to prompting, as rows of tables.

Not here: training (`detectors.py`); the measures (`asteer_core.detectors`).
"""

from typing import Any

import numpy as np

from asteer_core.detectors import TextSet, audit_arm, compare, draw, evaluate
from asteer_core.detectors.ranking import auroc
from asteer_core.errors import DataError
from asteer_core.study.trial import VALIDATION, Trial, n_positives, negatives_of, trial_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration

Scores = dict[str, np.ndarray]
"""Detector name -> scores of the tested rows, float64 [seed, text]."""

_COUNTS = ("n_positive", "n_negative", "n_groups", "n_seeds")


def metric_rows(
    ws: Workspace,
    configuration: Configuration,
    positives: TextSet,
    duplicates: dict[str, int | None],
    scores: Scores,
    prompted: dict[str, Scores],
    stage: str,
) -> list[dict[str, Any]]:
    """Return one row per detector of an arm for `detector_metrics`, less the identity columns."""
    trial = trial_of(ws, configuration.concept, stage)
    negatives = negatives_of(ws, configuration.concept, 0, stage)
    is_real = configuration.method == "real"
    # The pool of real positives is larger than what an arm trains on; the audit is of a training set.
    audited = draw(positives, n_positives(ws.study), ws.rng("audited", configuration.concept)) if is_real else positives
    judged = trial.judged.check(TextSet(audited.texts + negatives.texts))[1]
    rng = ws.rng("audit", configuration.concept)
    common = {
        "n_positives": n_positives(ws.study),
        "n_negatives": len(negatives),
        "duplicates_removed": (duplicates["total"] or 0) - len(positives),
        **audit_arm(audited, negatives, rng, None if is_real else trial.positives, duplicates, judged),
    }
    test = trial.mask("test")
    return [
        {
            "detector": name,
            "seeds": len(found),
            "validation_auroc": _validation_auroc(trial, found),
            **{column: value for column, value in _quality(ws, trial, configuration, found, test).items() if column not in _COUNTS},
            **_against_prompting(ws, trial, configuration, name, found, prompted),
            **common,
        }
        for name, found in scores.items()
    ]


def quality(ws: Workspace, configuration: Configuration, scores: Scores, stage: str) -> dict[str, dict[str, Any]]:
    """Return, by detector, `validation_auroc` and every measure on the test split with its interval."""
    trial = trial_of(ws, configuration.concept, stage)
    test = trial.mask("test")
    return {
        name: {"validation_auroc": _validation_auroc(trial, found), **_quality(ws, trial, configuration, found, test)}
        for name, found in scores.items()
    }


def domain_rows(ws: Workspace, configuration: Configuration, scores: Scores, stage: str) -> list[dict[str, Any]]:
    """Return one row per detector and source of test rows for `detector_domains`; a source of one class has a reason and no figures."""
    trial = trial_of(ws, configuration.concept, stage)
    rows = []
    for name, found in scores.items():
        for source, domain, mask in trial.domains():
            row: dict[str, Any] = {"detector": name, "source": source, "domain": domain, "reason": None}
            try:
                row |= _quality(ws, trial, configuration, found, mask)
            except DataError as error:
                row |= {"reason": str(error)}
            rows.append(row)
    return rows


def _validation_auroc(trial: Trial, scores: np.ndarray) -> float:
    """Return the AUROC on the validation split, mean over seeds; choices are made with it, never with the test split."""
    mask = trial.mask(VALIDATION)
    labels = trial.rows["label"].to_numpy()[mask]
    return float(np.mean([auroc(labels, row[mask], np.ones((len(labels), 1)))[0] for row in scores]))


def _quality(
    ws: Workspace, trial: Trial, configuration: Configuration, scores: np.ndarray, mask: np.ndarray
) -> dict[str, float | int | None]:
    rows = trial.rows.filter(mask)
    where = f"concept {configuration.concept}, configuration {configuration.key}, test"
    # One generator per concept: every arm is resampled with the same prompt groups.
    rng = ws.rng("evaluate", configuration.concept)
    return evaluate(rows["label"].to_numpy(), scores[:, mask], rows["group"].to_numpy(), rng, ws.study.detectors.bootstrap, where)


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
