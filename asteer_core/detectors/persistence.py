"""A detector as a folder: card.json, README.md, weights and validation scores as safetensors. Never pickle.

Reading treats the folder as untrusted: sizes are bounded, the card is validated, and what a kind loads it checks. Not here: what the
weights of a kind look like (the kind's file), scoring raw text (`asteer_core.study.detecting`).
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from asteer_core.detectors.cards import DetectorCard, readme
from asteer_core.detectors.protocol import Detector, choose_kind
from asteer_core.errors import ConfigError, StoreError
from asteer_core.tensors import read_tensors, write_tensors

CARD = "card.json"
README = "README.md"
VALIDATION = "validation.safetensors"
MAX_CARD_BYTES = 1 << 20
DEFAULT_FPR = 0.01
ROUNDING = 1e-6
"""How far the score of one text may differ between batches: neural networks round by what stands beside it."""
_SCORES, _VERSION = "detector validation scores", 1


@dataclass(frozen=True, eq=False)
class Saved:
    """A detector that was read, its card, and its scores on validation texts by which thresholds are chosen (None: not stored)."""

    detector: Detector
    card: DetectorCard
    validation_scores: np.ndarray | None = None
    validation_labels: np.ndarray | None = None


def save_detector(
    path: Path | str,
    detector: Detector,
    card: DetectorCard,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a detector under the folder `path`, whole or not at all, and return the folder.

    Args:
        validation: scores in [0, 1] and labels (0/1) of validation texts, [text] each: `threshold` chooses from the negatives. Texts
            that the detector cannot read (NaN) are left out.
        overwrite: replace a detector that is there; anything else that is there is never replaced.

    Raises:
        StoreError: the folder is there already, or cannot be written.
        ConfigError: the card names a kind or options that do not exist.
    """
    folder = Path(path)
    choose_kind(card.kind, card.options)
    if folder.exists() and not (overwrite and _is_detector(folder)):
        what = "a detector is there already; pass overwrite (--force)" if _is_detector(folder) else "it is there and holds no detector"
        raise StoreError(f"{folder}: {what}, or choose another folder")
    place, unique = folder.resolve(), uuid.uuid4().hex[:8]
    draft, replaced = (place.with_name(f".{place.name}.{unique}.{end}") for end in ("part", "old"))
    try:
        draft.mkdir(parents=True)
        detector.save(draft)
        if validation is not None:
            scores, labels = np.asarray(validation[0], dtype=np.float64), np.asarray(validation[1]).astype(np.uint8)
            known = np.isfinite(scores)
            tensors = {"scores": scores[known], "labels": labels[known]}
            write_tensors(draft / VALIDATION, _SCORES, _VERSION, {}, tensors)
        (draft / README).write_text(readme(card), encoding="utf-8")
        (draft / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            # Moved aside first: a kill in between must leave one of the two whole.
            folder.rename(replaced)
        draft.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error}); free some space or choose another folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(replaced, ignore_errors=True)
    return folder


def _is_detector(folder: Path) -> bool:
    """Return whether a folder may be replaced as a detector: other tools write a card.json too."""
    try:
        read_card(folder)
    except StoreError:
        return False
    return True


def read_card(path: Path | str) -> DetectorCard:
    """Return the card of a saved detector.

    Raises:
        StoreError: no such folder, or a card that is damaged, too large, or of another form.
    """
    file = Path(path) / CARD
    if not file.is_file():
        raise StoreError(f"{path}: no detector here (no {CARD}); expected a folder that save_detector or `asteer detect train` wrote")
    if file.stat().st_size > MAX_CARD_BYTES:
        raise StoreError(f"{file}: {file.stat().st_size} bytes; a card has at most {MAX_CARD_BYTES}")
    try:
        return DetectorCard.model_validate_json(file.read_bytes())
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'card'}: {fault['msg']}" for fault in error.errors()[:5])
        raise StoreError(f"{file}: not the card of a detector ({faults}); save the detector again") from None


def read_detector(path: Path | str) -> Saved:
    """Return the detector of a folder with its card and validation scores.

    Raises:
        StoreError: a file is missing, damaged or foreign, or the kind is not installed.
    """
    folder, card = Path(path), read_card(path)
    try:
        kind = choose_kind(card.kind, card.options)
    except ConfigError as error:
        raise StoreError(f"{folder / CARD}: {error}") from error
    detector = kind.load(folder)
    if not (folder / VALIDATION).exists():
        return Saved(detector, card)
    scores, labels = _validation(folder / VALIDATION)
    return Saved(detector, card, scores, labels)


def _validation(file: Path) -> tuple[np.ndarray, np.ndarray]:
    _, tensors = read_tensors(file, _SCORES, _VERSION)
    scores, labels = tensors.get("scores"), tensors.get("labels")
    if scores is None or labels is None or scores.shape != labels.shape or scores.ndim != 1:
        raise StoreError(f"{file}: scores and labels are missing or differ in number; save the detector again")
    if not ((scores >= 0) & (scores <= 1)).all() or not np.isin(labels, (0, 1)).all():
        raise StoreError(f"{file}: scores outside 0 to 1, or labels other than 0 and 1; save the detector again")
    return scores.astype(np.float64), labels


def threshold(saved: Saved, fpr: float | None = None) -> dict[str, Any]:
    """Return the threshold at which at most `fpr` of the stored validation negatives are flagged, and what is known of it.

    A text is flagged when its score is at or above `threshold`, which lies just above the highest score that may not be flagged.
    `fpr`: the rate asked for. `reached`: the share of validation negatives flagged. `fpr_hi`: upper end of the exact 95 % interval of
    the true rate. `tpr`: share of validation positives flagged. `n_negatives`.

    Args:
        fpr: None is .01, or the lowest rate that so few negatives can show, if that is higher.

    Raises:
        ConfigError: fpr outside 0 to 1, or lower than the stored negatives can show.
        StoreError: the detector was saved without validation negatives.
    """
    if fpr is not None and not 0 <= fpr < 1:
        raise ConfigError(f"false-positive rate {fpr}; expected a share from 0 to below 1, such as 0.01")
    scores, labels = saved.validation_scores, saved.validation_labels
    if scores is None or labels is None or not (labels == 0).any():
        raise StoreError(f"detector {saved.card.name!r} was saved without validation negatives; give a threshold instead of a rate")
    negatives, positives = np.sort(scores[labels == 0])[::-1], scores[labels == 1]
    n = len(negatives)
    rate = max(DEFAULT_FPR, 1 / n) if fpr is None else fpr
    if 0 < rate < 1 / n:
        raise ConfigError(
            f"detector {saved.card.name!r} has {n} validation negatives, which cannot show a false-positive rate of {rate:g}: one flagged "
            f"text is {1 / n:.2%} of them. Ask for {np.ceil(1e4 / n) / 1e4:g} or more, for 0 (above every negative), or give a threshold"
        )
    allowed = min(n - 1, int(np.floor(rate * n + 1e-9)))
    value = _above(negatives[allowed], scores)
    flagged = int((negatives >= value).sum())
    return {
        "threshold": value,
        "fpr": rate,
        "reached": flagged / n,
        "fpr_hi": rate_interval(flagged, n)[1],
        "tpr": float((positives >= value).mean()) if len(positives) else None,
        "n_negatives": n,
    }


def _above(score: float, scores: np.ndarray) -> float:
    """Return a value above `score` and at or below every higher score: ties with it are not flagged, nor what rounding makes of it."""
    higher = scores[scores > score]
    slack = min(ROUNDING, (float(higher.min()) - score) / 2) if higher.size else ROUNDING
    return max(float(score) + slack, float(np.nextafter(score, 2.0)))


def rate_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate of which `hits` of `n` were seen.

    Source: Clopper and Pearson 1934, Biometrika 26, 404-413.
    """
    from scipy.stats import beta

    lo = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    return lo, float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
