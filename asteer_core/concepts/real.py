"""The real labelled replies of a concept: its own `real.jsonl` and any number of data sets, in one table.

Not here: reading a data set (`asteer_core.datasets`), who is trained on what (the detectors' stage).
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from asteer_core.datasets import DatasetSpec, dataset_identity, read_dataset
from asteer_core.errors import DataError
from asteer_core.types import fingerprint

OWN = "real.jsonl"
"""`source` of the rows of the concept's own file."""

_NEEDED = {"detector_positives": (1,), "detector_negatives": (0,), "validation": (0, 1), "test": (0, 1)}


def real_rows(folder: Path, own: pl.DataFrame, datasets: Sequence[DatasetSpec], cache: Path) -> pl.DataFrame:
    """Return the rows of `REAL` with a last column `source`: `real.jsonl` or the name of a data set.

    Raises:
        DataError: two data sets share a name, one cannot be read, or a split has no row of a needed label.
    """
    names = [spec.name for spec in datasets]
    for name in names:
        if names.count(name) > 1 or name == OWN:
            raise DataError(f"{folder / 'concept.yaml'}: data set {name!r} stands twice under real; give one of them another `name:`")
    parts = [own.with_columns(source=pl.lit(OWN))]
    # World b is what the embedded models were not trained on.
    extra = {"kind": pl.lit(None, pl.String), "facet": pl.lit(None, pl.String), "world": pl.lit("b")}
    parts += [read_dataset(spec, cache).rows.with_columns(**extra).select(parts[0].columns) for spec in datasets]
    rows = pl.concat(parts)
    for split, labels in _NEEDED.items():
        for label in labels:
            if rows.filter((pl.col("split") == split) & (pl.col("label") == label)).is_empty():
                place = f"{folder / OWN}{''.join(f', data set {name}' for name in names)}"
                raise DataError(f"{place}: split {split!r} has no row with label {label}; detectors cannot be trained or tested without")
    return rows


def real_fingerprint(folder_fingerprint: str, datasets: Sequence[DatasetSpec]) -> str:
    """Return the hash of the folder and of every data set."""
    if not datasets:
        return folder_fingerprint
    return fingerprint([folder_fingerprint, *(dataset_identity(spec) for spec in datasets)])


def domains(rows: pl.DataFrame) -> dict[str, str]:
    """Return source -> `in` or `out` for every source with test rows: `in` if detectors learn from that source too."""
    learned = set(rows.filter(pl.col("split").is_in(["detector_positives", "detector_negatives"]))["source"])
    tested = sorted(set(rows.filter(pl.col("split") == "test")["source"]))
    return {source: "in" if source in learned else "out" for source in tested}
