"""How well a judge agrees with labels: weighted kappa per stratum, with intervals and with what its nulls could change.

Not here: the arithmetic of kappa (`_agreement.py`), making labels (`review.py`), fitting a judge to labels (the judges themselves).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl

from asteer_core.errors import DataError
from asteer_core.judges._agreement import Weights, weighted_kappa
from asteer_core.judges.protocol import Judge
from asteer_core.panics import panics_are_errors

ALL = "all"
"""The stratum of all rows together."""
NO_STRATUM = "(none)"
"""The stratum of rows that name none; where no row names one there is only `all`."""
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".csv": lambda path: pl.read_csv(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}


def calibrate(
    file: Path | str | pl.DataFrame,
    judge: Judge,
    *,
    embed: Callable[[Sequence[str]], np.ndarray] | None = None,
    levels: int | None = None,
    rng: np.random.Generator | None = None,
    n_boot: int = 2000,
) -> pl.DataFrame:
    """Return the judge's agreement with a labelled file: a row per stratum and kind of weights, and the same over all rows.

    A probability p becomes the grade nearest to p * (levels - 1), halves going up: with labels 0 and 1, violation from p = .5 on.

    Args:
        file: `prompt`, `response`, `label` (0, 1 or 0, 1, 2) and optionally `stratum` and `group` (else the prompt), as .jsonl, .csv or
            .parquet, or the frame itself.
        judge: what to measure.
        embed: texts -> embeddings, for judges that read them.
        levels: number of grades of the scale, 2 or 3; by default 3 if a label is 2.
        rng: draws the resamples; the default is seeded, so that a repeated call gives the same interval.

    Returns:
        Columns stratum, weights (linear, quadratic), n (rows), n_null (without verdict), agreement (share of equal grades), kappa, lo, hi,
        kappa_lowest and kappa_highest (kappa if every null disagreed as far as it can, or agreed), reason (why a value is null).

    Raises:
        DataError: the file cannot be read, a column is missing, or a label is not a grade; the message names the row.
    """
    rows = read_labels(file)
    rng = rng or np.random.default_rng(0)
    probability = _judged(judge, rows, embed)
    top = int(rows["label"].max())  # type: ignore[arg-type]
    levels = levels or max(2, top + 1)
    if top >= levels:
        raise DataError(
            f"{file if isinstance(file, str | Path) else 'labelled frame'}: label {top} on a scale of {levels} grades, 0 to {levels - 1}"
        )
    strata = np.array(rows["stratum"].to_list(), dtype=object)
    grades, labels, groups = _grades(probability, levels), rows["label"].to_numpy(), rows["group"].to_numpy()
    table = _lines(ALL, labels, grades, groups, levels, rng, n_boot)
    for stratum in [] if (strata == NO_STRATUM).all() else dict.fromkeys(strata):
        part = strata == stratum
        table += _lines(stratum, labels[part], grades[part], groups[part], levels, rng, n_boot)
    return pl.DataFrame(table, schema=_SCHEMA)


_SCHEMA = {
    "stratum": pl.String, "weights": pl.String, "n": pl.Int64, "n_null": pl.Int64, "agreement": pl.Float64, "kappa": pl.Float64,
    "lo": pl.Float64, "hi": pl.Float64, "kappa_lowest": pl.Float64, "kappa_highest": pl.Float64, "reason": pl.String,
}  # fmt: skip


def _judged(judge: Judge, rows: pl.DataFrame, embed: Callable[[Sequence[str]], np.ndarray] | None) -> np.ndarray:
    texts = rows["response"].to_list()
    embeddings = None if embed is None else embed(texts)
    probability = np.asarray(judge.judge(texts, rows["prompt"].to_list(), embeddings).success, dtype=np.float64)
    if probability.shape != (len(texts),) or ((probability < 0) | (probability > 1)).any():
        raise DataError(f"judge: values of shape {probability.shape} for {len(texts)} responses; expected one in [0, 1], or NaN, each")
    return probability


def _lines(
    stratum: str, labels: np.ndarray, grades: np.ndarray, groups: np.ndarray, levels: int, rng: np.random.Generator, n_boot: int
) -> list[dict[str, Any]]:
    known = grades >= 0
    farthest = np.where(labels * 2 >= levels - 1, 0, levels - 1)
    lines = []
    for weights in get_args(Weights):
        found = weighted_kappa(labels[known], grades[known], groups[known], levels, weights, rng, n_boot)
        lowest, highest = (
            weighted_kappa(labels, np.where(known, grades, filled), groups, levels, weights, rng, 0).value for filled in (farthest, labels)
        )
        lines.append(
            {
                "stratum": stratum, "weights": weights, "n": len(labels), "n_null": int((~known).sum()),
                "agreement": float((labels[known] == grades[known]).mean()) if known.any() else None,
                "kappa": found.value, "lo": found.lo, "hi": found.hi,
                "kappa_lowest": lowest, "kappa_highest": highest, "reason": found.reason,
            }
        )  # fmt: skip
    return lines


def _grades(probability: np.ndarray, levels: int) -> np.ndarray:
    """Return the nearest grade of each probability, -1 where there is none."""
    known = np.isfinite(probability)
    return np.where(known, np.floor(np.where(known, probability, 0.0) * (levels - 1) + 0.5), -1).astype(np.int64)


def read_labels(file: Path | str | pl.DataFrame) -> pl.DataFrame:
    """Return labelled rows with the columns prompt, response, label (Int64), stratum and group; see `calibrate`.

    Raises:
        DataError: the file is missing or broken, a column is missing, no rows, or a label is not 0, 1 or 2.
    """
    where = "labelled frame" if isinstance(file, pl.DataFrame) else str(file)
    frame = file if isinstance(file, pl.DataFrame) else _read(Path(file))
    for name in ("prompt", "response", "label"):
        if name not in frame.columns:
            raise DataError(
                f"{where}: no column {name!r}; expected prompt, response, label and optionally stratum, group; has {frame.columns}"
            )
    if not frame.height:
        raise DataError(f"{where}: no rows; expected labelled responses")
    frame = frame.with_columns(pl.col("prompt", "response").cast(pl.String))
    label = frame["label"].cast(pl.Float64, strict=False)
    broken = (~label.is_in([0.0, 1.0, 2.0]) | label.is_null() | frame["response"].is_null() | frame["prompt"].is_null()).fill_null(True)
    if broken.any():
        row = int(broken.arg_true()[0])
        raise DataError(
            f"{where}, row {row + 1}: label {frame['label'][row]!r:.60}, or its prompt or response is missing; expected a text each and a "
            "label of 0, 1 or 2"
        )
    stratum = pl.col("stratum").cast(pl.String).fill_null(NO_STRATUM) if "stratum" in frame.columns else pl.lit(NO_STRATUM)
    if "stratum" in frame.columns and ALL in frame["stratum"].cast(pl.String).to_list():
        raise DataError(f"{where}: a stratum is named {ALL!r}, which stands for all rows together; rename it")
    group = pl.col("group").cast(pl.String).fill_null(pl.col("prompt")) if "group" in frame.columns else pl.col("prompt")
    return frame.select("prompt", "response", label.cast(pl.Int64).alias("label"), stratum.alias("stratum"), group.alias("group"))


def _read(path: Path) -> pl.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown kind of file {path.suffix!r}; expected {', '.join(_READERS)}")
    try:
        with panics_are_errors():
            return reader(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        # The first line alone: the rest of such a message quotes the data.
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]} ({type(error).__name__}); check the file") from None
