"""A data set taken in: read once, checked row by row, kept as parquet under the hash of what it came from.

Not here: how a concept uses the rows (`asteer_core.concepts.concept`).
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from asteer_core.atomic import write_whole
from asteer_core.datasets.readers import sources
from asteer_core.datasets.roles import assign_roles
from asteer_core.datasets.rows import labelled_rows
from asteer_core.datasets.spec import DatasetSpec
from asteer_core.errors import DataError
from asteer_core.panics import panics_are_errors
from asteer_core.types import fingerprint

VERSION = 2
_WORDS = {"path", "title", "homepage", "notes", "license", "noncommercial", "allow_noncommercial"}
SPLITS = {("train", 1): "detector_positives", ("train", 0): "detector_negatives"}
"""What a role and label are called in a concept's table of real text; validation and test keep their names."""


@dataclass(frozen=True)
class Intake:
    """The rows of a data set and what became of the others.

    Attributes:
        rows: `id`, `group`, `split`, `prompt`, `response`, `label`, `source`; see `asteer_core.concepts.rows.REAL`.
        read: number of rows that were looked at.
        dropped: reason -> number of rows.
        license: as the description says.
    """

    rows: pl.DataFrame
    read: int
    dropped: dict[str, int]
    license: str

    @property
    def counts(self) -> pl.DataFrame:
        """Rows per `split` and `label`, with `n`."""
        return self.rows.group_by("split", "label").agg(n=pl.len()).sort("split", "label")


def dataset_identity(spec: DatasetSpec) -> str:
    """Return the hash of everything the rows depend on: the description, and the files or the revision.

    Raises:
        DataError: a file is missing or is not the one described.
    """
    _refuse_commerce(spec)
    # Where the files lie, and whether their use is permitted, does not change a row.
    described = spec.model_dump(mode="json", exclude=_WORDS)
    return fingerprint(["dataset", VERSION, described, [[source.split, source.digest] for source in sources(spec)]])


def read_dataset(spec: DatasetSpec, cache: Path | None = None) -> Intake:
    """Return the rows of a data set; from `cache`, if they are there under the same identity, else read, and kept there.

    Raises:
        DataError: the licence is not accepted, a file is missing or broken, or nothing usable is left.
    """
    identity = dataset_identity(spec)
    path = cache / f"{spec.name}-{identity}.parquet" if cache else None
    found = _cached(path) if path else None
    if found is None:
        found = _read(spec)
        if path:
            _keep(path, found)
    return Intake(found.rows, found.read, found.dropped, spec.license)


def _refuse_commerce(spec: DatasetSpec) -> None:
    if spec.forbids_commerce and not spec.allow_noncommercial:
        raise DataError(
            f"data set {spec.name!r}: its licence ({spec.license}) forbids commercial use; if yours is permitted, set "
            "`allow_noncommercial: true` beside it"
        )


def _read(spec: DatasetSpec) -> Intake:
    dropped: Counter[str] = Counter()
    parts, names = [], []
    for source in sources(spec):
        rows, reasons = labelled_rows(spec, source)
        parts.append(rows)
        names.append(source.name)
        dropped += reasons
    rows = pl.concat(parts)
    read = rows.height + dropped.total()
    if rows.is_empty():
        reasons = ", ".join(f"{reason}: {count}" for reason, count in _ranked(dropped).items()) or "the files hold no record"
        raise DataError(
            f"data set {spec.name!r} ({', '.join(names)}): none of {read} rows can be used ({reasons}); "
            "look at `columns`, `label_map` and `where`"
        )
    rows, reasons = assign_roles(spec, rows)
    return Intake(_named(spec, rows), read, _ranked(dropped + reasons), spec.license)


def _ranked(reasons: Counter[str]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _named(spec: DatasetSpec, rows: pl.DataFrame) -> pl.DataFrame:
    ids = [f"{spec.name}:{Path(file).name}:{row}:{part}" for file, row, part in rows.select("file", "row", "part").rows()]
    seen: Counter[str] = Counter()
    unique = []
    for name in ids:  # a record whose response is a list gives several rows
        unique.append(name if not seen[name] else f"{name}.{seen[name]}")
        seen[name] += 1
    groups = {group: f"{spec.name}/{fingerprint(group)}" for group in rows["group"].unique()}
    # `_read` has no other pairs of role and label.
    splits = [SPLITS.get((role, label), role) for role, label in rows.select("role", "label").rows()]
    return rows.select(
        pl.Series("id", unique, pl.String),
        pl.col("group").replace_strict(groups, return_dtype=pl.String).alias("group"),
        pl.Series("split", splits, pl.String),
        "prompt",
        "response",
        "label",
        pl.lit(spec.name).alias("source"),
    )


def _cached(path: Path) -> Intake | None:
    if not path.is_file():
        return None
    try:
        with panics_are_errors():
            report = json.loads(pl.read_parquet_metadata(path)["asteer"])
            return Intake(pl.read_parquet(path), report["read"], report["dropped"], "")
    except (PolarsError, OSError, KeyError, ValueError):
        return None  # a broken cache file is written anew


def _keep(path: Path, intake: Intake) -> None:
    report = {"asteer": json.dumps({"read": intake.read, "dropped": intake.dropped})}
    write_whole(path, lambda temporary: intake.rows.write_parquet(temporary, metadata=report))
