"""What is weak about a concept's data: too few rows, repeats, texts in two splits, sides that length alone tells apart.

Nothing here stops a study: what makes one impossible is refused on loading (`concept.py`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy.stats import rankdata

from asteer_core.concepts.concept import Concept
from asteer_core.concepts.scaffold import MARK, SIZES

LENGTH_GATE = 0.65
"""AUROC of the number of characters above which length alone is a usable detector (0.5 = none)."""
TEMPLATES = 4


@dataclass(frozen=True)
class Finding:
    """One thing to know about a concept. `weak`: worth mending before a study; `note`: worth knowing."""

    level: Literal["weak", "note"]
    where: str
    what: str
    remedy: str


def review(concept: Concept) -> list[Finding]:
    """Return what is weak about a concept, the worst first; empty where nothing is."""
    found = [*_unwritten(concept), *_sizes(concept), *_balance(concept), *_repeats(concept), *_leaks(concept), *_lengths(concept)]
    if len(concept.templates) < TEMPLATES:
        found.append(
            Finding("weak", "concept.yaml", f"{len(concept.templates)} prompting templates", f"write at least {TEMPLATES}: the baseline")
        )
    return sorted(found, key=lambda finding: finding.level != "weak")


def counts(concept: Concept) -> pl.DataFrame:
    """Return rows by file, split and label (null where a file has none), and how many are recommended for the split."""
    frames = {"pairs.jsonl": concept.pairs, "prompts.jsonl": concept.prompts, "judge.jsonl": concept.judge, "real.jsonl": concept.real}
    parts = []
    for file, frame in frames.items():
        label = pl.col("label").cast(pl.Int64) if "label" in frame.columns else pl.lit(None, pl.Int64)
        grouped = frame.group_by("split", label.alias("label")).agg(rows=pl.len().cast(pl.Int64)).sort("split", "label")
        wanted = pl.col("split").replace_strict(SIZES[file], default=None, return_dtype=pl.Int64)
        parts.append(grouped.select(pl.lit(file).alias("file"), "split", "label", "rows", recommended=wanted))
    return pl.concat(parts)


def length_auroc(violating: pl.Series, compliant: pl.Series) -> float | None:
    """Return the AUROC of the number of characters as a score for violation, in [0, 1]; None where a side is empty.

    Source: the Mann-Whitney statistic, ties counting half.
    """
    if violating.is_empty() or compliant.is_empty():
        return None
    lengths = np.concatenate([violating.str.len_chars().to_numpy(), compliant.str.len_chars().to_numpy()])
    ranks = rankdata(lengths)[: len(violating)]
    return float((ranks.sum() - len(violating) * (len(violating) + 1) / 2) / (len(violating) * len(compliant)))


def _unwritten(concept: Concept) -> list[Finding]:
    card = f"{concept.card.definition}{concept.card.rubric}{concept.card.examples}{[item.system for item in concept.templates]}"
    places = ["concept.yaml"] if MARK in card else []
    for file, frame in _texts(concept).items():
        if frame.filter(pl.col("text").str.contains(MARK, literal=True)).height:
            places.append(file)
    return [Finding("weak", place, f"texts still say {MARK!r}", "write them") for place in places]


def _sizes(concept: Concept) -> list[Finding]:
    total = counts(concept).group_by("file", "split", maintain_order=True).agg(pl.col("rows").sum(), pl.col("recommended").first())
    found = []
    for file, split, rows, wanted in total.rows():
        if wanted is not None and rows < wanted:
            found.append(Finding("weak", f"{file}, {split}", f"{rows} rows; {wanted} are recommended", f"add {wanted - rows} rows"))
    return found


def _balance(concept: Concept) -> list[Finding]:
    found = []
    for file, frame in (("judge.jsonl", concept.judge), ("real.jsonl", concept.real)):
        for (split,), rows in frame.group_by("split", maintain_order=True):
            if split in ("detector_positives", "detector_negatives"):
                continue
            share = float(rows["label"].mean() or 0)  # type: ignore[arg-type]
            if not 0.25 <= share <= 0.75:
                found.append(Finding("weak", f"{file}, {split}", f"{share:.0%} of the rows violate", "aim at half"))
    return found


def _texts(concept: Concept) -> dict[str, pl.DataFrame]:
    """Return, by file, the replies (prompts where there are none) with id and split."""
    sides = [concept.pairs.select("id", "split", text=side) for side in ("violating", "compliant")]
    return {
        "pairs.jsonl": pl.concat(sides),
        "prompts.jsonl": concept.prompts.select("id", "split", text="prompt"),
        "judge.jsonl": concept.judge.select("id", "split", text="response"),
        "real.jsonl": concept.real.select("id", "split", text="response"),
    }


def _plain(column: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def _repeats(concept: Concept) -> list[Finding]:
    found = []
    same = concept.pairs.filter(_plain("violating") == _plain("compliant"))
    if same.height:
        found.append(Finding("weak", "pairs.jsonl", f"{same.height} pairs with equal sides, such as {same['id'][0]!r}", "remove them"))
    for file, frame in _texts(concept).items():
        repeated = frame.filter(_plain("text").is_duplicated())
        if repeated.height:
            share = repeated.height / frame.height
            level = "weak" if share > 0.05 else "note"
            found.append(
                Finding(level, file, f"{repeated.height} texts stand more than once, such as {repeated['id'][0]!r}", "keep one each")
            )
    return found


def _leaks(concept: Concept) -> list[Finding]:
    """Return texts that stand in more than one split, of one file or of two."""
    stacked = pl.concat([frame.with_columns(text=_plain("text")) for file, frame in _texts(concept).items() if file != "prompts.jsonl"])
    crossing = stacked.group_by("text").agg(pl.col("split").unique().sort(), pl.col("id").first()).filter(pl.col("split").list.len() > 1)
    if crossing.is_empty():
        return []
    row = crossing.sort("id").row(0, named=True)
    what = f"{crossing.height} replies stand in more than one split, such as {row['id']!r} in {' and '.join(row['split'])}"
    return [Finding("weak", "all files", what, "keep each in one split, or detectors are tested on what they were trained on")]


def _lengths(concept: Concept) -> list[Finding]:
    sides = {"pairs.jsonl": (concept.pairs["violating"], concept.pairs["compliant"])}
    for file, frame in (("judge.jsonl", concept.judge), ("real.jsonl", concept.real)):
        sides[file] = tuple(frame.filter(pl.col("label") == label)["response"] for label in (1, 0))  # type: ignore[assignment]
    found = []
    for file, (violating, compliant) in sides.items():
        value = length_auroc(violating, compliant)
        if value is not None and max(value, 1 - value) > LENGTH_GATE:
            longer = "longer" if value > 0.5 else "shorter"
            what = f"violating texts are {longer}: their length alone has AUROC {max(value, 1 - value):.2f}"
            found.append(Finding("weak", file, what, "match the lengths of the two sides"))
    return found
