"""AUROC predicted from intrinsic metrics by ridge regression, judged on cells (concept x model) that the fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from asteer_core.analysis.schema import cells_of, checked, numbers, steered, studies
from asteer_core.errors import DataError

FEATURES = ("success", "coherence", "diversity")
PENALTY = 1.0
"""Ridge penalty on standardised features, in rows: fixed, since tuning it on eight cells would fit their noise."""
MIN_ROWS = 12


@dataclass(frozen=True)
class AurocModel:
    """Second-degree ridge regression: means and spreads of the features, their weights, and the intercept."""

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: float

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Return the expected AUROC of each row, float64 [row], clipped to 0 to 1; NaN where a metric is undefined."""
        x = (_features(frame) - self.centre) / self.scale
        return np.clip(x @ self.weights + self.intercept, 0.0, 1.0)


def fit_auroc(frame: pl.DataFrame) -> AurocModel:
    """Return the regression of `auroc` on success, coherence and diversity, their squares and products.

    Raises:
        DataError: fewer than twelve rows have all values.
    """
    x, y = _features(frame), numbers(frame, "auroc")
    known = _known(frame)
    if known.sum() < MIN_ROWS:
        raise DataError(
            f"prediction of AUROC: {int(known.sum())} of {len(y)} configurations have all values; at least {MIN_ROWS} are needed"
        )
    x, y = x[known], y[known]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    z = (x - centre) / scale
    weights = np.linalg.solve(z.T @ z + PENALTY * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return AurocModel(centre, scale, weights, float(y.mean()))


def complete_rows(frame: pl.DataFrame) -> int:
    """Return how many rows have all metrics and an AUROC."""
    return int(_known(frame).sum())


def cross_validated(frame: pl.DataFrame, by: str = "cell") -> pl.DataFrame:
    """Return the steered rows with `predicted`: the AUROC expected by a fit without the row's own cell, or its whole concept.

    Each study and detector kind is predicted by itself. NULL where a metric is undefined, fewer than two cells are there, or the
    other cells have fewer than twelve rows to fit on.

    Args:
        frame: see `schema.FRAME`.
        by: `cell` leaves out concept x model, `concept` every model of the concept.

    Raises:
        DataError: see `schema.checked`.
    """
    ready = steered(checked(frame, ("study", "concept", "model", "method", "configuration_id", "auroc", *FEATURES), "prediction"))
    parts = []
    for _, part in studies(ready.filter(pl.col("auroc").is_not_null())):
        member = cells_of(part) if by == "cell" else part["concept"].rank("dense").to_numpy()
        predicted = np.full(part.height, np.nan)
        for fold in np.unique(member) if len(np.unique(member)) > 1 else ():
            mask = member == fold
            if complete_rows(part.filter(~mask)) >= MIN_ROWS:
                predicted[mask] = fit_auroc(part.filter(~mask)).predict(part.filter(mask))
        parts.append(part.with_columns(pl.Series("predicted", predicted).fill_nan(None)))
    return pl.concat(parts) if parts else ready.with_columns(predicted=pl.lit(None, pl.Float64))


def _known(frame: pl.DataFrame) -> np.ndarray:
    return np.isfinite(_features(frame)).all(axis=1) & np.isfinite(numbers(frame, "auroc"))


def _features(frame: pl.DataFrame) -> np.ndarray:
    plain = np.stack([numbers(frame, name) for name in FEATURES], axis=1)
    products = [plain[:, i] * plain[:, j] for i in range(len(FEATURES)) for j in range(i, len(FEATURES))]
    return np.concatenate([plain, np.stack(products, axis=1)], axis=1)
