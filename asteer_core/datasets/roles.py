"""Which role each row gets: the data set's own splits or drawn shares, groups kept whole, rows drawn to a wanted number.

Not here: what a row holds (`rows.py`).
"""

import hashlib
from collections import Counter
from pathlib import Path

import polars as pl

from asteer_core.datasets.rows import SHOWN
from asteer_core.datasets.spec import ROLES, DatasetSpec
from asteer_core.errors import DataError


def assign_roles(spec: DatasetSpec, rows: pl.DataFrame) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the rows that are used, with a column `role`, and how many were dropped for which reason.

    Raises:
        DataError: no row is left, a group stands in two roles, a role that is tested has one class, or too few rows for `take`.
    """
    if rows.is_empty():
        raise DataError(f"data set {spec.name!r}: no usable row is left; look at `label_map`, `where` and the columns")
    dropped: Counter[str] = Counter()
    rows, dropped["repeats another row"], dropped["same text under both labels"] = _without_repeats(rows)
    rows, dropped["outside the shares of its split"] = _with_roles(spec, rows)
    rows, dropped["role is not used"] = _kept(rows, pl.col("role").is_in(spec.use))
    rows, dropped["group stands in a role nearer to the test"] = _without_crossing(spec, rows)
    rows, dropped["beyond `take`"] = _taken(spec, rows)
    _refuse_one_class(spec, rows)
    return rows, +dropped


def _kept(rows: pl.DataFrame, keep: pl.Expr) -> tuple[pl.DataFrame, int]:
    left = rows.filter(keep)
    return left, rows.height - left.height


def _without_repeats(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    same = ["prompt", "response"]
    agreed, disputed = _kept(rows, pl.col("label").n_unique().over(same) == 1)
    # A copy in another split is left for the rule on crossing groups, which knows which of the two to keep.
    unique = agreed.unique([*same, "split"], keep="first", maintain_order=True)
    return unique, agreed.height - unique.height, disputed


def _unit(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone, the same on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _with_roles(spec: DatasetSpec, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    parts = []
    for split, wanted in spec.splits.items():
        part = rows.filter(pl.col("split") == split)
        if isinstance(wanted, str):
            parts.append(part.with_columns(role=pl.lit(wanted)))
            continue
        roles = {group: _drawn(_unit(spec.seed, "role", group), wanted) for group in part["group"].unique()}
        parts.append(part.with_columns(role=pl.col("group").replace_strict(roles, return_dtype=pl.String, default=None)))
    return _kept(pl.concat(parts), pl.col("role").is_not_null())


def _drawn(place: float, shares: dict) -> str | None:
    for role in ROLES:
        if place < shares.get(role, 0.0):
            return role
        place -= shares.get(role, 0.0)
    return None


def _without_crossing(spec: DatasetSpec, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    order = pl.col("role").replace_strict({role: number for number, role in enumerate(ROLES)}, return_dtype=pl.Int8)
    nearest = order.max().over("group")
    crossing = rows.filter(order != nearest)
    if crossing.height and spec.crossing == "error":
        first = crossing.row(0, named=True)
        beside = rows.filter((pl.col("group") == first["group"]) & (pl.col("role") != first["role"])).row(0, named=True)
        raise DataError(
            f"data set {spec.name!r}: {crossing['group'].n_unique()} groups cross roles, such as {first['file']}, row {first['row']} "
            f"({first['role']}) and {beside['file']}, row {beside['row']} ({beside['role']}); a detector would be tested on prompts it was "
            "trained on. Set `crossing: drop` to drop them from the role farther from the test, or name a `group` column"
        )
    return _kept(rows, order == nearest)


def _taken(spec: DatasetSpec, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    parts = []
    for role in spec.use:
        part = rows.filter(pl.col("role") == role)
        wanted = spec.take.get(role)
        if wanted is None:
            parts.append(part)
            continue
        if part.height < wanted:
            raise DataError(
                f"data set {spec.name!r} ({', '.join(rows['file'].unique().sort().head(SHOWN))}): {part.height} usable {role} rows, but "
                f"take.{role} asks for {wanted}; lower it to {part.height} or less"
            )
        # The file's name and not its path: the same files draw the same rows wherever they lie.
        places = [_unit(spec.seed, "take", Path(file).name, row, part) for file, row, part in part.select("file", "row", "part").rows()]
        parts.append(part.with_columns(place=pl.Series(places)).sort("place").head(wanted).sort("file", "row", "part").drop("place"))
    left = pl.concat(parts)
    return left, rows.height - left.height


def _refuse_one_class(spec: DatasetSpec, rows: pl.DataFrame) -> None:
    for role in ("validation", "test"):
        part = rows.filter(pl.col("role") == role)
        if part.height and part["label"].n_unique() == 1:
            places = ", ".join(f"{file}, row {row}" for file, row in part.select("file", "row").head(2).rows())
            raise DataError(
                f"data set {spec.name!r}: all {part.height} usable {role} rows have label {part['label'][0]} ({places}, ...); an AUROC "
                "needs both classes. Look at `label_map` and `where`, or use the data set for training alone with `use: [train]`"
            )
