"""A concept of one's own: what is written to begin with, and what is said of its weaknesses."""

import json
from pathlib import Path

import polars as pl
import pytest

from asteer_core.concepts import load_concept
from asteer_core.concepts.review import Finding, counts, length_auroc, review
from asteer_core.concepts.scaffold import MARK, SIZES, new_concept
from asteer_core.errors import ConfigError


def filled(folder: Path, name: str = "cruelty") -> Path:
    """Write a concept in which nothing is weak."""
    new_concept(name, folder)
    target = folder / name
    card = (target / "concept.yaml").read_text()
    (target / "concept.yaml").write_text(card.replace(MARK, "words"))
    for file, splits in SIZES.items():
        rows = []
        for split, size in splits.items():
            for number in range(size):
                row: dict[str, object] = {"id": f"{split}-{number}", "group": f"{split}/{number}", "split": split}
                row["prompt"] = f"{split} question {number}"
                label = {"detector_positives": 1, "detector_negatives": 0}.get(split, number % 2)
                if file == "pairs.jsonl":
                    row |= {"violating": f"{split} bad {number:04}", "compliant": f"{split} fine {number:03}"}
                elif file != "prompts.jsonl":
                    row |= {"response": f"{split} {'bad' if label else 'fine'} {number:0{4 if label else 3}}", "label": label}
                rows.append(row)
        (target / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def change(file: Path, edit) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in edit(rows)))


def found(folder: Path, name: str = "cruelty") -> list[Finding]:
    return review(load_concept(name, folder))


def test_a_new_concept_loads_and_is_said_to_be_unwritten_and_small(tmp_path: Path) -> None:
    paths = new_concept("cruelty", tmp_path)
    assert {path.name for path in paths} == {"concept.yaml", *SIZES}
    findings = found(tmp_path)
    assert {finding.where for finding in findings if MARK in finding.what} == {"concept.yaml", *SIZES}
    assert any("2 rows; 200 are recommended" in finding.what for finding in findings)


def test_nothing_is_overwritten_and_names_are_checked(tmp_path: Path) -> None:
    new_concept("cruelty", tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        new_concept("cruelty", tmp_path)
    with pytest.raises(ConfigError):
        new_concept("../cruelty", tmp_path)


def test_a_concept_without_faults_has_no_findings(tmp_path: Path) -> None:
    filled(tmp_path)
    assert found(tmp_path) == []


def test_equal_sides_repeats_and_leaks_are_named(tmp_path: Path) -> None:
    target = filled(tmp_path)
    change(target / "pairs.jsonl", lambda rows: [rows[0] | {"compliant": rows[0]["violating"].upper()}, *rows[1:]])
    change(target / "judge.jsonl", lambda rows: [row | {"response": rows[0]["response"]} if row["label"] else row for row in rows])
    leak = "test bad 0001"
    change(target / "judge.jsonl", lambda rows: [rows[0] | {"response": f"  {leak}"}, *rows[1:]])
    what = {finding.where: finding.what for finding in found(tmp_path)}
    assert "1 pairs with equal sides, such as 'extraction-0'" in what["pairs.jsonl"] or "1 pairs" in str(found(tmp_path))
    assert "stand more than once" in what["judge.jsonl"]
    assert "more than one split" in what["all files"]


def test_sides_of_different_length_are_named_and_equal_ones_are_not(tmp_path: Path) -> None:
    target = filled(tmp_path)
    change(target / "real.jsonl", lambda rows: [row | {"response": row["response"] + " and on" * row["label"]} for row in rows])
    weak = [finding for finding in found(tmp_path) if "length alone" in finding.what]
    assert [finding.where for finding in weak] == ["real.jsonl"]
    assert "longer" in weak[0].what


def test_too_few_rows_and_lopsided_labels_are_named(tmp_path: Path) -> None:
    target = filled(tmp_path)
    change(target / "judge.jsonl", lambda rows: [row for number, row in enumerate(rows) if row["label"] == 0 or number < 40])
    what = [finding.what for finding in found(tmp_path) if finding.where == "judge.jsonl, judge"]
    assert any("400 are recommended" in text for text in what) and any("9% of the rows violate" in text for text in what)


def test_length_auroc_is_the_share_of_pairs_in_which_the_violating_text_is_longer() -> None:
    assert length_auroc(pl.Series(["aaa", "aa"]), pl.Series(["a", "aaa"])) == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert length_auroc(pl.Series([], dtype=pl.String), pl.Series(["a"])) is None


def test_rows_are_counted_by_file_split_and_label(tmp_path: Path) -> None:
    filled(tmp_path)
    table = counts(load_concept("cruelty", tmp_path))
    assert table.filter(file="real.jsonl", split="test")["rows"].to_list() == [200, 200]
    assert table["rows"].sum() == sum(size for splits in SIZES.values() for size in splits.values())
