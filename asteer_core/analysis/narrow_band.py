"""Is there a band of success, coherence or diversity outside which steering does not beat prompting?"""

from __future__ import annotations

from typing import Any

import polars as pl

from asteer_core.analysis.proportions import wilson_interval
from asteer_core.analysis.schema import checked, concepts_and_pooled, steered, studies

AXES = ("success", "coherence", "diversity")

OUTPUT: dict[str, pl.DataType] = {
    **dict.fromkeys(("study", "concept", "detector", "metric"), pl.String()),
    "tercile": pl.Int64(),
    **dict.fromkeys(("lowest", "highest"), pl.Float64()),
    **dict.fromkeys(("n", "wins"), pl.Int64()),
    **dict.fromkeys(("share_wins", "share_wins_lo", "share_wins_hi"), pl.Float64()),
}


def narrow_band(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the share of configurations above prompting by tercile of S, C and D, per concept and pooled.

    Terciles (1 = lowest) are taken within a concept by rank, ties in order of name, and pooled afterwards, since scales differ
    between concepts. A configuration wins when its AUROC is above the mean prompted arm's. The interval is Wilson's.
    Configurations without a difference or without the metric are left out of its rows.

    Raises:
        DataError: see `schema.checked`.
    """
    needs = ("study", "concept", "model", "method", "strength", "configuration_id", "difference", *AXES)
    ready = steered(checked(frame, needs, "narrow_band")).filter(pl.col("difference").is_not_null())
    rows: list[dict[str, Any]] = []
    for identity, part in studies(ready):
        for metric in AXES:
            ranked = _terciles(part, metric)
            for concept, own in concepts_and_pooled(ranked):
                rows += [identity | {"concept": concept, "metric": metric} | row for row in _counts(own, metric)]
    return pl.DataFrame(rows, schema=OUTPUT).sort("study", "detector", "concept", "metric", "tercile")


def _terciles(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    frame = frame.filter(pl.col(metric).is_not_null()).sort("concept", metric, "configuration_id")
    place, n = pl.int_range(pl.len()).over("concept"), pl.len().over("concept")
    # As SQL's ntile(3): the first n mod 3 terciles are one larger.
    small, large = n // 3, n % 3
    edge = large * (small + 1)
    tercile = pl.when(place < edge).then(place // (small + 1)).otherwise(large + (place.cast(pl.Int64) - edge) // small.clip(1)) + 1
    return frame.with_columns(tercile=tercile.cast(pl.Int64))


def _counts(frame: pl.DataFrame, metric: str) -> list[dict[str, Any]]:
    rows = []
    for (tercile,), own in frame.sort("tercile").group_by("tercile", maintain_order=True):
        wins = int((own["difference"] > 0).sum())
        lo, hi = wilson_interval(wins, own.height)
        values = {"lowest": own[metric].min(), "highest": own[metric].max(), "n": own.height, "wins": wins}
        rows.append({"tercile": tercile} | values | {"share_wins": wins / own.height, "share_wins_lo": lo, "share_wins_hi": hi})
    return rows
