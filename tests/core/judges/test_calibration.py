"""Agreement of a judge with labels: kappa against scikit-learn, coverage of the interval, nulls, strata and broken files."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from asteer_core.errors import DataError
from asteer_core.judges._agreement import kappa_of_counts, weighted_kappa
from asteer_core.judges._verdicts import probabilities
from asteer_core.judges.calibration import calibrate


@dataclass
class Fixed:
    """A judge that reads its probabilities off the end of each text, such as `text 0.5`."""

    reads: str = "both"

    def judge(self, texts, prompts=None, embeddings=None):
        assert prompts is not None and len(prompts) == len(texts)
        return probabilities(np.array([float(text.split()[-1]) for text in texts]), [None] * len(texts))


class Embedded:
    def judge(self, texts, prompts=None, embeddings=None):
        return probabilities(embeddings[:, 0], [None] * len(texts))


def frame(labels, probability, strata=None):
    rows = {"prompt": [f"p{n}" for n in range(len(labels))], "response": [f"text {one}" for one in probability], "label": list(labels)}
    return pl.DataFrame({**rows, **({"stratum": strata} if strata is not None else {})})


def one(table, stratum="all", weights="linear"):
    return table.filter((pl.col("stratum") == stratum) & (pl.col("weights") == weights)).row(0, named=True)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
@pytest.mark.parametrize("levels", [2, 3, 5])
def test_kappa_equals_scikit_learn(rng, weights, levels):
    for _ in range(20):
        first = rng.integers(levels, size=30)
        second = np.where(rng.random(30) < 0.5, first, rng.integers(levels, size=30))
        found = weighted_kappa(first, second, np.arange(30), levels, weights, rng, 20)
        assert found.value == pytest.approx(cohen_kappa_score(first, second, weights=weights, labels=range(levels)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_kappa_is_symmetric_bounded_and_one_exactly_on_equal_grades(pairs):
    counts = np.zeros((3, 3))
    for first, second in pairs:
        counts[first, second] += 1
    value = kappa_of_counts(counts, "quadratic")
    assert np.isnan(value) or (-1.0000001 <= value <= 1 and value == pytest.approx(kappa_of_counts(counts.T, "quadratic")))
    if not np.isnan(value):
        assert (value == pytest.approx(1)) == all(first == second for first, second in pairs)


def test_the_interval_covers_the_true_kappa(rng):
    chance = np.array([[0.30, 0.05, 0.02], [0.06, 0.20, 0.04], [0.03, 0.05, 0.25]])
    truth = float(kappa_of_counts(chance, "linear"))
    hits = 0
    for _ in range(300):
        drawn = rng.choice(9, size=150, p=chance.ravel())
        found = weighted_kappa(drawn // 3, drawn % 3, np.arange(150), 3, "linear", rng, 300)
        hits += found.lo <= truth <= found.hi
    assert 0.92 <= hits / 300 <= 0.98


def test_rows_of_one_group_are_drawn_together(rng):
    first = rng.integers(2, size=40)
    second = np.where(rng.random(40) < 0.8, first, 1 - first)
    wide = weighted_kappa(np.repeat(first, 10), np.repeat(second, 10), np.repeat(np.arange(40), 10), 2, "linear", rng)
    narrow = weighted_kappa(np.repeat(first, 10), np.repeat(second, 10), np.arange(400), 2, "linear", rng)
    assert wide.value == narrow.value and (wide.hi - wide.lo) > 2 * (narrow.hi - narrow.lo)


def test_every_stratum_and_all_rows_get_linear_and_quadratic_kappa(rng):
    labels = rng.integers(3, size=200)
    graded = np.where(rng.random(200) < 0.7, labels, rng.integers(3, size=200))
    strata = np.where(np.arange(200) < 100, "easy", "hard")
    table = calibrate(frame(labels, graded / 2, strata.tolist()), Fixed(), n_boot=200)
    assert table["stratum"].unique(maintain_order=True).to_list() == ["all", "easy", "hard"] and table.height == 6
    hard = one(table, "hard", "quadratic")
    assert hard["kappa"] == pytest.approx(cohen_kappa_score(labels[100:], graded[100:], weights="quadratic"))
    assert hard["lo"] < hard["kappa"] < hard["hi"] and hard["n"] == 100 and hard["reason"] is None
    assert hard["agreement"] == pytest.approx((labels[100:] == graded[100:]).mean())
    assert table.equals(calibrate(frame(labels, graded / 2, strata.tolist()), Fixed(), n_boot=200))


def test_probabilities_go_to_the_nearest_grade():
    binary = one(calibrate(frame([0, 0, 1, 1], [0.1, 0.49, 0.5, 0.9]), Fixed(), n_boot=50))
    graded = one(calibrate(frame([0, 1, 1, 2], [0.24, 0.25, 0.74, 0.75]), Fixed(), n_boot=50))
    assert binary["kappa"] == graded["kappa"] == 1.0
    assert one(calibrate(frame([0, 1], [0.0, 0.5]), Fixed(), levels=3, n_boot=50))["kappa"] == 1.0


def test_nulls_are_left_out_counted_and_bounded():
    row = one(calibrate(frame([0, 0, 1, 1, 1, 0], [0.0, 0.1, 0.9, 1.0, "nan", "nan"]), Fixed(), n_boot=50))
    assert (row["n"], row["n_null"], row["kappa"], row["agreement"]) == (6, 2, 1.0, 1.0)
    assert row["kappa_lowest"] == pytest.approx(cohen_kappa_score([0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 0, 1])) and row["kappa_highest"] == 1.0


@pytest.mark.parametrize(
    "labels, probability, reason",
    [([1, 1, 1], [0.9, 0.8, 1.0], "one and the same grade"), ([0, 1], ["nan", "nan"], "no rows with both")],
)
def test_an_undefined_kappa_is_null_with_a_reason(labels, probability, reason):
    row = one(calibrate(frame(labels, probability), Fixed(), n_boot=50))
    assert row["kappa"] is None and row["lo"] is None and reason in row["reason"]


def test_a_judge_that_always_answers_the_same_has_kappa_zero():
    assert one(calibrate(frame([0, 1, 0, 1], [0.7] * 4), Fixed(), n_boot=50))["kappa"] == 0.0


def test_a_judge_of_embeddings_gets_embeddings():
    table = calibrate(
        frame([0, 1], [0.0, 1.0]), Embedded(), embed=lambda texts: np.array([[float(one.split()[-1])] for one in texts]), n_boot=50
    )
    assert one(table)["kappa"] == 1.0


def test_jsonl_csv_and_parquet_say_the_same(tmp_path):
    rows = frame([0, 1, 1, 0], [0.0, 1.0, 0.3, 0.2], ["a", "a", "b", "b"])
    rows.write_ndjson(tmp_path / "l.jsonl")
    rows.write_csv(tmp_path / "l.csv")
    rows.write_parquet(tmp_path / "l.parquet")
    tables = [calibrate(tmp_path / name, Fixed(), n_boot=50) for name in ("l.jsonl", "l.csv", "l.parquet")]
    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"prompt": "p", "response": "r 1"}', "no column 'label'"),
        ('{"prompt": "p", "response": "r 1", "label": 3}', "row 1.*expected a text each"),
        ('{"prompt": "p", "response": "r 1", "label": 0}\n{"prompt": "p", "response": "r 1", "label": null}', "row 2"),
        ('{"prompt": "p", "response": null, "label": 1}', "row 1"),
        ('{"prompt": "p", "response": "r 1", "label": "yes"}', "row 1"),
        ('{"prompt": "p", "response": "r 1", "label": 0.5}', "row 1"),
        ('{"prompt": "p", "response": "r 1", "label": 1, "stratum": "all"}', "rename it"),
        ('{"prompt": "p", "resp', "cannot be read"),
        ("", "cannot be read|no rows|no column"),
    ],
)
def test_a_broken_file_is_named_with_its_row_and_without_its_texts(tmp_path, text, words):
    (tmp_path / "labels.jsonl").write_text(text)
    with pytest.raises(DataError, match=f"labels.jsonl.*({words})"):
        calibrate(tmp_path / "labels.jsonl", Fixed())


def test_missing_files_unknown_kinds_and_odd_judges_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        calibrate(tmp_path / "none.csv", Fixed())
    with pytest.raises(DataError, match="unknown kind"):
        calibrate(tmp_path / "x.xlsx", Fixed())
    with pytest.raises(DataError, match=r"expected one in \[0, 1\]"):
        calibrate(frame([0, 1], [0.0, 1.5]), Fixed())
    with pytest.raises(DataError, match="label 2 on a scale of 2"):
        calibrate(frame([0, 2], [0.0, 1.0]), Fixed(), levels=2)
