"""The frame all studies of results read: one row per configuration, declared once, checked at each door.

Not here: how its columns are computed (`metrics`, `detectors`) or stored (`warehouse`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from asteer_core.errors import DataError

IDENTITY = ("study", "concept", "model", "method", "layer", "strength", "configuration_id")

METRICS = (
    "success", "coherence", "diversity", "sample_diversity", "set_diversity",
    "hm", "hm_sc", "am", "am_sc", "gm", "gm_sc", "min", "min_sc", "strength", "mean_length",
)  # fmt: skip
"""What is correlated with AUROC. `strength` and `mean_length` are the trivial rivals of every metric."""

COMPARISONS = (
    "difference", "difference_lo", "difference_hi", "p", "difference_best", "difference_best_lo", "difference_best_hi", "p_best",
)  # fmt: skip
"""AUROC minus the mean prompted arm's, and minus that of the best prompt (chosen on validation), with intervals and p-values."""

CONTROLS = ("unsteered", "prompted", "random", "real")
"""Methods that are no steering configurations: set aside by every study of steered configurations."""

POOLED = "pooled"
"""The concept of rows over all concepts together."""

FRAME: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "concept", "model", "method"), pl.String()),
    "layer": pl.Int64(),
    **{name: pl.Float64() for name in METRICS},
    "configuration_id": pl.String(),
    **dict.fromkeys(("auroc", "auroc_lo", "auroc_hi", *COMPARISONS), pl.Float64()),
}
"""Columns and types of the input frame; further columns pass unread. Values may be NULL or NaN except in study, concept, model,
method and configuration_id. `detector` (kind) and `arm` may be there: kinds are studied apart, and arms other than `steered` set aside."""


def checked(frame: pl.DataFrame, needs: Sequence[str], where: str) -> pl.DataFrame:
    """Return the frame with a `detector` column, declared types, and NaN as NULL.

    Raises:
        DataError: a needed column is missing or has another type, an identity is NULL, or a configuration stands twice.
    """
    absent = [name for name in needs if name not in frame.columns]
    if absent:
        raise DataError(f"{where}: the frame lacks {', '.join(absent)}; it has {', '.join(frame.columns)}")
    if "detector" not in frame.columns:
        frame = frame.with_columns(detector=pl.lit(None, pl.String))
    declared = {name: kind for name, kind in FRAME.items() if name in frame.columns}
    try:
        frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in declared.items())
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{where}: a column has another type than declared ({error})") from error
    frame = frame.with_columns(pl.col(name).fill_nan(None) for name, kind in declared.items() if kind == pl.Float64())
    for name in ("study", "concept", "model", "method", "configuration_id"):
        if name in needs and frame[name].null_count():
            raise DataError(f"{where}: {name} is NULL in {frame[name].null_count()} rows; every configuration needs one")
    if "configuration_id" in needs:
        _refuse_repeats(frame, where)
    return frame


def _refuse_repeats(frame: pl.DataFrame, where: str) -> None:
    keys = ["study", "configuration_id", "detector"]
    repeated = frame.group_by(keys).len().filter(pl.col("len") > 1).sort(keys)
    if repeated.height:
        raise DataError(
            f"{where}: configuration {repeated['configuration_id'][0]!r} stands {repeated['len'][0]} times "
            f"({repeated.height} such); expected one row per study, configuration and detector"
        )


def steered(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the steered configurations: no baselines, no random directions, no strength of 0, by concept, model and name."""
    frame = frame.filter(~pl.col("method").is_in(CONTROLS) & (pl.col("strength") != 0).fill_null(True))
    if "arm" in frame.columns:
        frame = frame.filter(pl.col("arm") == "steered")
    return frame.sort("concept", "model", "configuration_id")


def studies(frame: pl.DataFrame) -> Iterator[tuple[dict[str, str | None], pl.DataFrame]]:
    """Yield the identity {study, detector} and the rows of each study and detector kind."""
    for keys in frame.select("study", "detector").unique().sort("study", "detector").iter_rows(named=True):
        yield keys, frame.filter(pl.col("study").eq_missing(keys["study"]) & pl.col("detector").eq_missing(pl.lit(keys["detector"])))


def concepts_and_pooled(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each concept with its rows, then "pooled" with all rows."""
    for concept in frame["concept"].unique().sort():
        yield concept, frame.filter(pl.col("concept") == concept)
    yield POOLED, frame


def numbers(frame: pl.DataFrame, name: str) -> np.ndarray:
    """Return a column as float64 [row], NULL as NaN."""
    return frame[name].cast(pl.Float64).to_numpy().astype(float, copy=True)


def cells_of(frame: pl.DataFrame) -> np.ndarray:
    """Return the number of each row's concept x model cell, int [row]."""
    return frame.select(pl.struct("concept", "model").rank("dense"))["concept"].to_numpy().astype(int)
