"""The default judge: logistic regression on a sentence embedding, words, word pairs and surface features, calibrated out of fold.

Not here: the encoder (embeddings arrive with the texts) and the concept's data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.special import expit

from asteer_core.errors import DataError, StoreError
from asteer_core.judges._calibration import brier, expected_calibration_error, isotonic, platt, ranked
from asteer_core.judges._features import BUCKETS, SURFACE, TextFeatures
from asteer_core.judges._folds import finite_rows, group_folds
from asteer_core.judges._rubric import Rubric
from asteer_core.judges._verdicts import Verdicts, probabilities
from asteer_core.judges.protocol import DEFAULT, JUDGES, JudgeKind, Labelled, Tools
from asteer_core.tensors import read_tensors, write_tensors

KIND = "embedded judge"
VERSION = 1
CalibrationName = Literal["platt", "isotonic"]
INVERSE_PENALTY = 10.0
EMBEDDING_WEIGHT = 2.0
"""Sizes unit-norm embeddings against the grams under one penalty."""

SCRAMBLED_SHARE = 0.02
"""Share of the positives that are repeated with their words shuffled, as negatives: the words of a violation in no order are hardly one.
They keep the embedding of the clean text, so that order is learned from the word pairs. Few, because broken text is what coherence
measures: at .15 the judge denied half-broken insults, which put the same fault on two axes."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weights: np.ndarray
    bias: float

    def decide(self, features: csr_matrix) -> np.ndarray:
        return features @ self.weights + self.bias


@dataclass(frozen=True, eq=False)
class EmbeddedJudge:
    """P(violation) = expit(slope * (w . x + bias) + offset); slope and offset are fitted to out-of-fold decisions.

    Attributes:
        knots: where the calibration is isotonic, its knots [2, knot] in place of slope and offset.
        report: out-of-fold figures: auroc, brier, ece, n, n_positive, n_groups, folds, and mean_<kind> where kinds were given.
    """

    linear: _Linear
    features: TextFeatures
    calibration: tuple[float, float]
    report: dict[str, Any] = field(default_factory=dict)
    knots: np.ndarray | None = None

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        embeddings: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        rng: np.random.Generator,
        kinds: Sequence[str] | None = None,
        calibration: CalibrationName = "platt",
    ) -> Self:
        """Return the judge trained on all rows, calibrated and reported on folds that keep groups together.

        Args:
            texts: responses.
            embeddings: [text, d_embed].
            labels: 1 = violates, 0 = does not, [text].
            groups: prompt group of each row; a group is never on both sides of a fold.
            rng: deals groups to folds and scrambles texts.
            kinds: kind of each row, for the mean out-of-fold probability per kind in the report.
            calibration: `platt` (a sigmoid) or `isotonic` (any rising shape; for a thousand rows and more).

        Raises:
            DataError: rows that do not pair, labels other than 0 and 1 or of one class, embeddings that are not finite, fewer than
                two groups per class, or decisions that say nothing about the label.
        """
        texts, labels, groups = list(texts), np.asarray(labels), np.asarray(groups)
        embeddings = finite_rows(texts, embeddings)
        folds = group_folds(labels, groups, len(texts), rng)
        labels = labels.astype(int)
        decisions = np.full(len(texts), np.nan)
        fold_of = np.full(len(texts), -1)
        for number, (train, held) in enumerate(folds):
            linear, features = _train([texts[i] for i in train], embeddings[train], labels[train], groups[train], rng)
            decisions[held] = linear.decide(_joined(embeddings[held], features.transform([texts[i] for i in held])))
            fold_of[held] = number
        sigmoid = platt(decisions, labels)
        if sigmoid[0] <= 0:
            raise DataError(
                f"embedded judge: out of fold its decisions fall where the label rises (AUROC {ranked(decisions, labels):.2f}), "
                "so it learned nothing; check the labels, or give it more groups"
            )
        report = _report(decisions, labels, fold_of, kinds, calibration)
        report |= {"n_groups": len(np.unique(groups)), "folds": len(folds)}
        linear, features = _train(texts, embeddings, labels, groups, rng)
        return cls(linear, features, sigmoid, report, isotonic(decisions, labels) if calibration == "isotonic" else None)

    def probability(self, texts: Sequence[str], embeddings: np.ndarray) -> np.ndarray:
        """Return the calibrated probability of violation, float64 [text] in 0 to 1; NaN (no verdict) where the embedding is not finite.

        Raises:
            DataError: texts and embeddings do not pair, or the embeddings have another width than in training.
        """
        embeddings = np.asarray(embeddings, dtype=np.float64)
        width = len(self.linear.weights) - BUCKETS - SURFACE
        if embeddings.shape != (len(texts), width):
            raise DataError(f"embedded judge: {len(texts)} texts with embeddings {embeddings.shape}; expected ({len(texts)}, {width})")
        known = np.logical_and.reduce(np.isfinite(embeddings), axis=1)
        matrix = _joined(np.where(known[:, None], embeddings, 0.0), self.features.transform(texts))
        return np.where(known, _calibrated(self.linear.decide(matrix), self.calibration, self.knots), np.nan)

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None, embeddings: np.ndarray | None = None) -> Verdicts:
        """Return the verdicts on responses from their embeddings; `prompts` are not used.

        Raises:
            DataError: no embeddings, or as `probability`.
        """
        if embeddings is None:
            raise DataError("embedded judge: it reads the sentence encoder's embeddings; pass embeddings [text, d_embed]")
        found = self.probability(texts, embeddings)
        return probabilities(found, [None if known else "its embedding is not finite" for known in np.isfinite(found)])

    def save(self, path: Path | str) -> None:
        """Write the judge as safetensors with a JSON header; the file appears whole or not at all."""
        header = {"bias": self.linear.bias, "typical": self.features.typical, "calibration": self.calibration, "report": self.report}
        knots = {} if self.knots is None else {"knots": self.knots}
        write_tensors(Path(path), KIND, VERSION, header, {"weights": self.linear.weights, "known": self.features.known, **knots})

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Return the judge that `save` wrote.

        Raises:
            StoreError: missing, truncated or foreign file, another version, or values that are not finite.
        """
        header, tensors = read_tensors(Path(path), KIND, VERSION)
        try:
            linear = _Linear(tensors["weights"], float(header["bias"]))
            features = TextFeatures(tensors["known"], float(header["typical"]))
            slope, offset = header["calibration"]
            judge = cls(linear, features, (float(slope), float(offset)), dict(header["report"]), tensors.get("knots"))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{path}: the header does not match the tensors ({error!r}); delete the file and train the judge again"
            ) from error
        if not np.isfinite(linear.weights).all() or linear.weights.ndim != 1 or len(linear.weights) <= BUCKETS + SURFACE:
            raise StoreError(f"{path}: the weights are not finite numbers of the expected shape; delete the file and train the judge again")
        return judge


@JUDGES.register(DEFAULT)
class EmbeddedKind(JudgeKind):
    """A classifier on sentence embeddings and words, trained on the concept's judge rows; the default, and it costs nothing to ask.

    `calibration`: how decisions become probabilities; `platt` is a sigmoid, `isotonic` any rising shape (from ~1,000 rows on).
    """

    calibration: CalibrationName = "platt"

    def fit(self, rubric: Rubric, rows: Labelled, tools: Tools, rng: np.random.Generator) -> EmbeddedJudge:
        """Return the judge trained on all rows; see `EmbeddedJudge.fit`."""
        embeddings = tools.embed(rows.texts)
        return EmbeddedJudge.fit(rows.texts, embeddings, rows.labels, rows.groups, rng, rows.kinds, self.calibration)

    def load(self, path: Path, rubric: Rubric, tools: Tools) -> EmbeddedJudge:
        """Return the judge that `EmbeddedJudge.save` wrote."""
        return EmbeddedJudge.load(path)

    def identity(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return the calibration; the rows are the concept's, and the encoder is the package's."""
        return [self.calibration]


def _calibrated(decisions: np.ndarray, sigmoid: tuple[float, float], knots: np.ndarray | None) -> np.ndarray:
    return expit(sigmoid[0] * decisions + sigmoid[1]) if knots is None else np.interp(decisions, *knots)


def _joined(embeddings: np.ndarray, matrix: csr_matrix) -> csr_matrix:
    return csr_matrix(hstack([matrix, csr_matrix(EMBEDDING_WEIGHT * embeddings)]))


def _train(
    texts: Sequence[str], embeddings: np.ndarray, labels: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> tuple[_Linear, TextFeatures]:
    """The classifier of rows and of scrambled positives that count as negatives, and the features of the rows alone."""
    features, matrix = TextFeatures.fit(texts, groups)
    positives = np.flatnonzero(labels == 1)
    chosen = rng.choice(positives, int(SCRAMBLED_SHARE * len(positives)), replace=False)
    scrambled = [" ".join(rng.permutation(texts[int(i)].split())) for i in chosen]
    rows = vstack([_joined(embeddings, matrix), _joined(embeddings[chosen], features.transform(scrambled))])
    return _regress(csr_matrix(rows), np.append(labels, np.zeros(len(chosen), dtype=int))), features


def _regress(features: csr_matrix, labels: np.ndarray) -> _Linear:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit(features, labels)
    return _Linear(model.coef_[0], float(np.ravel(model.intercept_)[0]))


def _report(
    decisions: np.ndarray, labels: np.ndarray, fold_of: np.ndarray, kinds: Sequence[str] | None, calibration: CalibrationName
) -> dict[str, Any]:
    """Out-of-fold figures; each fold's probabilities use a calibration that has not seen the fold."""
    probability = np.empty(len(labels))
    for number in np.unique(fold_of):
        held = np.equal(fold_of, number)
        seen = decisions[~held], labels[~held]
        probability[held] = _calibrated(decisions[held], platt(*seen), isotonic(*seen) if calibration == "isotonic" else None)
    report: dict[str, Any] = {
        "n": len(labels),
        "n_positive": int(labels.sum()),
        "auroc": ranked(decisions, labels),
        "brier": brier(probability, labels),
        "ece": expected_calibration_error(probability, labels),
    }
    names = np.asarray([] if kinds is None else kinds)
    return report | {f"mean_{kind}": float(probability[names == kind].mean()) for kind in np.unique(names).tolist()}
