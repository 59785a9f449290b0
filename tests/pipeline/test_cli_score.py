"""`asteer score`, `compare` and `judge`: tables, JSON, and errors that are one message."""

import json
from pathlib import Path

import polars as pl
import pytest

from asteer_core.judges.review import response_id
from asteer_pipeline.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_data) -> Path:
    """A folder with `corpus.jsonl` (two configurations) and `labels.jsonl`, and with a home."""
    folder = tmp_path_factory.mktemp("score")
    frame = pl.read_ndjson(small_data / "concepts" / "toxicity" / "real.jsonl").filter(pl.col("split") == "test")
    rows = pl.concat([frame.filter(pl.col("label") == label).head(12) for label in (0, 1)])
    rows.select("prompt", "response", arm=pl.format("[red]{}\x1b[31m", "label")).write_ndjson(folder / "corpus.jsonl")
    rows.select("prompt", "response", "label", stratum="kind").write_ndjson(folder / "labels.jsonl")
    return folder


@pytest.fixture(autouse=True)
def _there(folder, go_to) -> None:
    go_to(folder)


def test_a_corpus_is_scored_with_intervals_and_says_what_coherence_is_relative_to(capsys):
    assert main(["score", "corpus.jsonl", "--m", "8"]) == 0
    shown = capsys.readouterr().out
    assert "coherence C" in shown and " to " in shown and "HM of C, D (not HM)" in shown
    assert "Coherence is relative to the corpus itself, under neox-2m; set diversity at m=8." in shown
    assert "– success: no concept was named" in shown


def test_configurations_are_rows_and_their_names_cannot_drive_the_terminal(capsys):
    arguments = ["score", "corpus.jsonl", "--m", "8", "--concept", "toxicity", "--configuration-column", "arm"]
    assert main([*arguments, "--reference", "corpus.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "[red]0" in shown and "\x1b[31m" not in shown and "relative to corpus.jsonl" in shown
    assert main([*arguments, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["values"]["n"] for record in records] == [12, 12]
    assert records[1]["values"]["success"] > records[0]["values"]["success"]


def test_two_corpora_are_compared(capsys):
    assert main(["compare", "corpus.jsonl", "labels.jsonl", "--m", "8"]) == 0
    shown = capsys.readouterr().out
    assert "B - A" in shown and "resampled in pairs" in shown and "relative to corpus.jsonl" in shown
    assert main(["compare", "corpus.jsonl", "labels.jsonl", "--m", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["coherence"] == 0
    # One corpus twice: whatever is left out of both, nothing differs. Success, and HM with it, has no judge.
    assert found["intervals"]["diversity"] == found["intervals"]["hm_cd"] == [0, 0] and found["intervals"]["hm"] == [None, None]
    assert "jackknife" in shown and shown.count("+.00 to +.00") >= 7  # C and its parts, D and its parts, HM of C and D


def test_static_embeddings_are_named_beside_what_they_made(capsys, folder, with_static_table):
    with_static_table(folder / "home")
    assert main(["score", "corpus.jsonl", "--m", "8", "--embedding", "static"]) == 0
    assert "made of static embeddings: compare them with others of the same kind only" in capsys.readouterr().out
    assert main(["compare", "corpus.jsonl", "labels.jsonl", "--m", "8", "--embedding", "static", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["a"]["embedding"] == found["b"]["embedding"] == "static"
    assert main(["score", "corpus.jsonl", "--m", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["embedding"] == "encoder"
    assert main(["score", "corpus.jsonl", "--embedding", "fast"]) == 2


def test_further_metrics_are_rows_and_columns_of_the_tables(capsys):
    arguments = ["--m", "8", "--metric", "mtld", "--metric", "coverage"]
    assert main(["score", "corpus.jsonl", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "mtld " in shown and "– coverage: metric 'coverage' compares with real texts" in shown
    assert main(["score", "corpus.jsonl", *arguments, "--configuration-column", "arm", "--reference", "corpus.jsonl"]) == 0
    assert "mtld" in capsys.readouterr().out
    assert main(["score", "corpus.jsonl", "--metric", "mtdl"]) == 2
    assert "Did you mean 'mtld'" in capsys.readouterr().err


def test_the_judge_is_measured_against_labels_per_stratum(capsys):
    assert main(["judge", "calibrate", "labels.jsonl", "--concept", "toxicity"]) == 0
    shown = capsys.readouterr().out
    assert "kappa [95 %]" in shown and "quadratic" in shown and "violating" in shown
    assert main(["judge", "calibrate", "labels.jsonl", "--concept", "toxicity", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["stratum"] == "all" and first["n"] == 24 and first["lo"] <= first["kappa"] <= first["hi"]


def test_grades_of_the_review_page_calibrate_the_judge(capsys):
    assert main(["judge", "review", "corpus.jsonl", "--concept", "toxicity", "--out", "page.html"]) == 0
    assert "24 responses in page.html" in capsys.readouterr().out
    assert "<html" in Path("page.html").read_text()
    rows = pl.read_ndjson("labels.jsonl").rows(named=True)
    grades = [
        {"id": response_id(row["prompt"], row["response"]), "reviewer": "r", "success": 2 * row["label"], "coherence": None} for row in rows
    ]
    Path("grades.jsonl").write_text("".join(json.dumps(grade) + "\n" for grade in grades))
    assert main(["judge", "calibrate", "corpus.jsonl", "--concept", "toxicity", "--grades", "grades.jsonl", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["n"] == 24 and first["kappa"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["score", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["score", "corpus.jsonl", "--prompt-column", "q"], "row 1: no column 'q'"),
        (["score", "corpus.jsonl", "--concept", "toxicty"], "Did you mean 'toxicity'"),
        (["score", "corpus.jsonl", "--m", "1"], "--m"),
        (["compare", "corpus.jsonl", "nowhere.csv"], "nowhere.csv: no such file"),
        (["judge", "calibrate", "corpus.jsonl", "--concept", "toxicity"], "no column 'label'"),
        (["judge", "review", "nowhere.jsonl", "--concept", "toxicity", "--out", "page.html"], "nowhere.jsonl: no such file"),
    ],
)
def test_a_user_error_is_a_message_and_exit_code_2(arguments, says, capsys):
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert says in error and "Traceback" not in error
