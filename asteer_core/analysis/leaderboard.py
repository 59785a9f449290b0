"""Metrics, detectors and comparisons of every configuration in one frame, best first."""

from __future__ import annotations

import polars as pl

from asteer_core.analysis.schema import IDENTITY, checked
from asteer_core.errors import DataError

KEYS = ("study", "configuration_id")


def leaderboard(metrics: pl.DataFrame, detectors: pl.DataFrame, comparisons: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return one row per detector of a configuration, with its corpus metrics, sorted by study, detector, concept and AUROC.

    Every row of `detectors` stays, with NULL metrics where there is no corpus (the real arm); configurations without a
    detector follow at the end of their concept. `rank` counts AUROCs within study, detector, concept and arm, 1 = best, ties share
    the better rank; NULL without an AUROC.

    Args:
        metrics: corpus metrics; identity columns and any others.
        detectors: identity, `auroc` with its interval, where known `detector`, `arm`, `flags`, and the comparisons, if they are there.
        comparisons: differences to prompting, by study, configuration and, where given, detector.

    Raises:
        DataError: a frame lacks an identity, or has a configuration twice.
    """
    corpora = checked(metrics, IDENTITY, "leaderboard, metrics").drop("detector")
    trained = checked(detectors, ("study", "concept", "configuration_id", "auroc"), "leaderboard, detectors")
    if comparisons is not None:
        trained = _compared(trained, comparisons)
    shared = [name for name in corpora.columns if name in trained.columns and name not in KEYS]
    joined = trained.join(corpora, on=list(KEYS), how="full", coalesce=True, suffix="_metrics")
    # The identity stands in both; a row of one frame alone takes it from there.
    joined = joined.with_columns(pl.coalesce(name, f"{name}_metrics").alias(name) for name in shared).drop(
        f"{name}_metrics" for name in shared
    )
    within = [name for name in ("study", "detector", "concept", "arm") if name in joined.columns]
    first = [name for name in (*IDENTITY, "template", "seed", "arm", "detector", "rank") if name in joined.columns or name == "rank"]
    ranked = joined.with_columns(rank=pl.col("auroc").rank("min", descending=True).over(within).cast(pl.Int64))
    order = ["study", "detector", "concept", "auroc", "configuration_id"]
    ranked = ranked.sort(order, descending=[False, False, False, True, False], nulls_last=[True, True, False, True, False])
    return ranked.select(*first, pl.exclude(first))


def _compared(trained: pl.DataFrame, comparisons: pl.DataFrame) -> pl.DataFrame:
    by_kind = "detector" in comparisons.columns
    ready = checked(comparisons, KEYS, "leaderboard, comparisons")
    clash = [name for name in ready.columns if name in trained.columns and name not in (*IDENTITY, "detector")]
    if clash:
        raise DataError(f"leaderboard: {', '.join(clash)} stand both with the detectors and with the comparisons; give them once")
    keys = [*KEYS, "detector"] if by_kind else list(KEYS)
    ready = ready.drop(name for name in (*IDENTITY, "detector") if name in ready.columns and name not in keys)
    return trained.join(ready, on=keys, how="left", nulls_equal=True)
