"""The objective `predicted`: AUROC as a regression on finished studies expects it, never fitted on the concept that is searched."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asteer_core.analysis.prediction import FEATURES, fit_auroc
from asteer_core.choosing.objectives import Metrics, Objective
from asteer_core.errors import ConfigError
from asteer_core.warehouse import stores_of
from asteer_core.warehouse.files import is_present
from asteer_core.warehouse.store import Store


def predicted_objective(home: Path, concept: str) -> Objective:
    """Return the AUROC that metrics promise, learned from every leaderboard of `home` without the rows of `concept`.

    Raises:
        ConfigError: no finished study has steered configurations of another concept.
    """
    stored = [Store(root) for root in stores_of(home).values()]
    boards = [_headline(store.read("leaderboard"), concept) for store in stored if is_present(store.path("leaderboard"))]
    boards = [board for board in boards if board.height]
    if not boards:
        raise ConfigError(
            f"objective 'predicted' learns from finished studies of other concepts than {concept!r}, and {home} holds none; run one "
            "(asteer study run quick), or choose by another objective"
        )
    model = fit_auroc(pl.concat(boards, how="diagonal_relaxed"))

    def predicted(metrics: Metrics) -> float | None:
        row = pl.DataFrame({name: [metrics[name]] for name in FEATURES}, schema=dict.fromkeys(FEATURES, pl.Float64))
        value = model.predict(row)[0]
        return None if value != value else float(value)

    return predicted


def _headline(board: pl.DataFrame, concept: str) -> pl.DataFrame:
    kept = board.filter((pl.col("arm") == "steered") & (pl.col("concept") != concept))
    return kept.filter(pl.col("detector") == kept["detector"].sort().first()) if kept.height else kept
