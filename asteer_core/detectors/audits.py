"""Audits of a training arm: could its detector win by length, by style of the generator, by leaked texts, or by imbalance?

Not here: the search for near-duplicates (`near_duplicates.py`). An audit never removes anything: it marks the row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asteer_core.detectors.protocol import MIN_TEXTS_PER_CLASS
from asteer_core.detectors.ranking import auroc
from asteer_core.detectors.text_sets import TextSet
from asteer_core.errors import DataError

FOLDS = 5

FUNCTION_WORDS = ("the", "a", "of", "and", "to", "in", "that", "it", "is", "i", "you", "your", "not", "but", "so", "if", "with", "for")
PUNCTUATION = tuple(".,!?;:'\"-()")


@dataclass(frozen=True, slots=True)
class Gates:
    """Where an audit becomes a flag. AUROCs are folded about .5 first (.2 counts as .8)."""

    length: float = 0.75
    generator: float = 0.95
    duplicates: float = 0.05
    minority: float = 0.1
    judge: float = 0.05


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit: its name in `flags`, the measure it reads, whether that is folded about .5, and what a flag means.

    `severity`: "warn" where the detector's figures stand but may mean something else, "error" where the study's claim is untrue.
    """

    name: str
    measure: str
    folded: bool
    severity: Literal["warn", "error"]
    meaning: str

    def gate(self, gates: Gates = Gates()) -> float:
        """Return the value of the (folded) measure above which the audit flags."""
        known = {"length": gates.length, "generator": gates.generator, "duplicates": gates.duplicates, "judge": gates.judge}
        return known[self.name] if self.name in known else 1 - gates.minority


AUDITS = (
    Audit("length", "length_auroc", True, "warn", "the number of words alone tells training positives from negatives"),
    Audit("generator", "generator_auroc", True, "warn", "style alone tells the arm's positives from real ones"),
    Audit("duplicates", "duplicate_share", False, "warn", "the arm repeats test texts; removed, but its source knows the test set"),
    Audit("balance", "positive_share", True, "warn", "one class is hardly there"),
    Audit("judge", "judge_overlap", False, "error", "the detector trains on what the judge of success was trained on"),
)
"""Every audit, in the order in which flags are listed. Checks, leaderboard and warehouse read this table."""


def length_auroc(positives: Sequence[str], negatives: Sequence[str]) -> float:
    """Return the AUROC of word count alone for positive against negative texts, from 0 to 1; .5 says length tells nothing."""
    lengths = np.array([len(text.split()) for text in (*positives, *negatives)], dtype=float)
    labels = np.arange(len(lengths)) < len(positives)
    if not positives or not negatives:
        raise DataError(f"length audit: {len(positives)} positive and {len(negatives)} negative texts; it needs both")
    return float(auroc(labels, lengths, np.ones((len(labels), 1)))[0])


def style_features(texts: Sequence[str]) -> np.ndarray:
    """Return surface features without topic, float64 [text, feature]: lengths, repetition, case, punctuation, function words."""
    return np.array([_style(text) for text in texts], dtype=float).reshape(len(texts), -1)


def _style(text: str) -> list[float]:
    words = re.findall(r"\w+", text.lower())
    sentences = [part for part in re.split(r"[.!?]+", text) if part.strip()]
    n_words, n_characters, n_sentences = max(len(words), 1), max(len(text), 1), max(len(sentences), 1)
    shape = [
        np.log1p(len(words)),
        sum(map(len, words)) / n_words,
        len(set(words)) / n_words,
        len(words) / n_sentences,
        sum(character.isupper() for character in text) / n_characters,
        sum(character.isdigit() for character in text) / n_characters,
        text.count("\n") / n_characters,
        float(text.rstrip()[-1:] in tuple(".!?")),
    ]
    marks = [text.count(mark) / n_characters for mark in PUNCTUATION]
    return [*shape, *marks, *(words.count(word) / n_words for word in FUNCTION_WORDS)]


def generator_auroc(arm: Sequence[str], real: Sequence[str], rng: np.random.Generator) -> float:
    """Return the cross-validated AUROC of telling the arm's positives from real positives by style, from 0 to 1.

    Near .5: the two cannot be told apart by style. Near 1: a detector can learn the generator instead of the concept.

    Raises:
        DataError: either side has fewer than five texts, one per fold.
    """
    if min(len(arm), len(real)) < FOLDS:
        raise DataError(f"generator audit: {len(arm)} arm texts and {len(real)} real texts; {FOLDS}-fold validation needs {FOLDS} of each")
    from sklearn.linear_model import LogisticRegression

    x = style_features([*arm, *real])
    labels = np.arange(len(x)) < len(arm)
    fold = np.empty(len(x), dtype=int)
    for side in (labels, ~labels):
        fold[side] = rng.permutation(int(side.sum())) % FOLDS
    scores = np.empty(len(x))
    for held_out in range(FOLDS):
        test = fold == held_out
        mean, deviation = x[~test].mean(axis=0), x[~test].std(axis=0)
        z = (x - mean) / np.where(deviation > 0, deviation, 1.0)
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000).fit(z[~test], labels[~test])
        scores[test] = model.decision_function(z[test])
    return float(auroc(labels, scores, np.ones((len(labels), 1)))[0])


def audit_arm(
    positives: TextSet,
    negatives: TextSet,
    rng: np.random.Generator,
    real: TextSet | None = None,
    duplicates: Mapping[str, int | None] | None = None,
    judged: Mapping[str, int | None] | None = None,
    gates: Gates = Gates(),
) -> dict[str, float | str | None]:
    """Return the audits of one arm's training set and the names of those over their gate.

    `length_auroc`; `generator_auroc` (None without `real`, or with too few texts for cross-validation); `duplicate_share`
    (None without `duplicates`, the counts of `deduplicate`); `positive_share`; `judge_overlap`, the share of training texts that the
    judge was trained on or nearly so (None without `judged`, such counts against the judge's texts); `flags`, comma-separated, "" if none.
    """
    total = len(positives) + len(negatives)
    enough = real is not None and min(len(real), len(positives)) >= max(FOLDS, MIN_TEXTS_PER_CLASS)
    audits: dict[str, float | str | None] = {
        "length_auroc": length_auroc(positives.texts, negatives.texts),
        "generator_auroc": generator_auroc(positives.texts, real.texts, rng) if real is not None and enough else None,
        "duplicate_share": _duplicate_share(duplicates),
        "positive_share": len(positives) / total,
        "judge_overlap": _duplicate_share(judged),
    }
    return audits | {"flags": ",".join(flags(audits, gates))}


def flags(audits: Mapping[str, float | str | None], gates: Gates = Gates()) -> list[str]:
    """Return the names of the audits beyond their gate; an audit that was not made raises no flag."""

    def over(audit: Audit) -> bool:
        value = audits.get(audit.measure)
        return isinstance(value, (int, float)) and (max(value, 1 - value) if audit.folded else value) > audit.gate(gates)

    return [audit.name for audit in AUDITS if over(audit)]


def _duplicate_share(duplicates: Mapping[str, int | None] | None) -> float | None:
    if duplicates is None or not duplicates.get("total"):
        return None
    return 1 - (duplicates["kept"] or 0) / (duplicates["total"] or 1)
