"""`asteer detect`: texts of any form go through a saved detector; it is shown, tested and trained; whatever is wrong is one message."""

import io
import json
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from asteer_core.study import Workspace, load_study, run_line
from asteer_pipeline.cli import main

STUDY = {
    "name": "rude", "concepts": ["toxicity"], "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [1], "strengths": [0.3, 0.6]}], "controls": {"templates": 1},
    "sampling": {"max_new_tokens": 12}, "size": {"prompts": 16}, "metrics": {"m": 8, "subsamples": 2},
    "detectors": {"kinds": ["tfidf"], "seeds": 1, "bootstrap": 50},
}  # fmt: skip
CONFIGURATION = "neox-2m:caa:L01:s0.60"


def labelled(path: Path, rows: int = 240, **changes) -> Path:
    """Write rows in which `rude` or `kind` gives the label away, two per prompt."""
    words = ["time", "water", "house", "music", "story", "garden", "river"]
    lines = []
    for n in range(rows):
        text = " ".join([words[(n * k + k) % 7] for k in (1, 2, 3, 5)] + [f"w{n}", "rude" if n % 2 else "kind"])
        lines.append({"prompt": f"prompt {n // 2}", "response": text, "label": n % 2} | changes)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_data) -> Path:
    """A folder with a finished study, `labelled.jsonl`, and `detector`, which was trained on it."""
    folder = tmp_path_factory.mktemp("detect")
    (folder / "rude.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "later.yaml").write_text(yaml.safe_dump(STUDY | {"name": "later"}))
    labelled(folder / "labelled.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ASTEER_DATA", str(small_data))
        patch.setenv("ASTEER_HOME", str(folder / "home"))
        for _ in run_line(Workspace(load_study("rude.yaml")), until="detectors"):
            pass
        assert main(["detect", "train-on", "labelled.jsonl", "--out", "detector", "--kind", "tfidf", "--violation", "rudeness"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(made, go_to) -> None:
    go_to(made)


def typed(monkeypatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout, and stderr on one line."""
    code = main(["detect", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, " ".join(shown.err.split())


def rows_of(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_standard_input_gives_a_line_for_each_line_and_says_where_the_threshold_is(capsys, monkeypatch):
    typed(monkeypatch, '{"id": "a", "response": "water rude"}\n\n{"text": "water kind"}\n{"response": 3}\n')
    code, out, err = run(capsys, "--detector", "detector", "--fpr", "0.1")
    rows = rows_of(out)
    assert code == 0 and [row["row"] for row in rows] == [1, 3, 4] and rows[0]["id"] == "a"
    assert [row["label"] for row in rows] == [1, 0, None] and rows[0]["score"] > rows[1]["score"]
    assert "is int; expected text" in rows[2]["error"]
    assert (
        "validation negatives are at or above it" in err
        and "1 of 2 texts flagged (50.0%)" in err
        and "1 of 3 lines have no score: 4" in err
    )


@pytest.mark.parametrize("ending", ["jsonl", "txt", "json", "csv", "parquet"])
def test_a_file_of_any_form_gives_the_same_scores(capsys, tmp_path, ending):
    texts = ["water rude story", 'a "quoted", kind text', "[red]music[/] rüde"]
    frame, path = pl.DataFrame({"text": texts}), tmp_path / f"texts.{ending}"
    {
        "jsonl": lambda: frame.write_ndjson(path), "txt": lambda: path.write_text("\r\n".join(texts), encoding="utf-8-sig"),
        "json": lambda: frame.write_json(path), "csv": lambda: frame.write_csv(path), "parquet": lambda: frame.write_parquet(path),
    }[ending]()  # fmt: skip
    code, out, _ = run(capsys, "--detector", "detector", "--input", str(path), "--threshold", "0.5")
    from asteer_core import load_detector

    assert code == 0 and [row["row"] for row in rows_of(out)] == [1, 2, 3]
    assert [row["score"] for row in rows_of(out)] == pytest.approx(load_detector("detector").score(texts), abs=1e-6)


def test_plain_text_on_standard_input_is_said_by_format_and_otherwise_refused_with_that_hint(capsys, monkeypatch):
    typed(monkeypatch, "water rude\nwater kind\n")
    code, out, _ = run(capsys, "--detector", "detector", "--format", "text", "--threshold", "0")
    assert code == 0 and [row["label"] for row in rows_of(out)] == [1, 1]
    typed(monkeypatch, "water rude\nwater kind\n")
    code, out, err = run(capsys, "--detector", "detector")
    assert code == 2 and len(rows_of(out)) == 2
    assert "standard input: none of 2 lines has a score; line 1: not JSON" in err and "--format text" in err


def test_a_terminal_gets_words_and_json_only_where_asked(capsys, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for arguments, wanted in (((), "  water [red]rude"), (("--json",), '"label": 1')):
        typed(monkeypatch, '{"id": "x\\u001b[7m", "response": "water [red]rude \\u001b[7m"}\n{"response": null}\n')
        shown = Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", shown)
            assert main(["detect", "--detector", "detector", "--threshold", "0.01", *arguments]) == 0
        assert wanted in shown.getvalue() and "\x1b[7m" not in shown.getvalue() and "is missing; expected text" in shown.getvalue()
    assert "1 of 1 texts flagged" in capsys.readouterr().err


def test_a_detector_is_shown_with_its_thresholds(capsys):
    code, out, _ = run(capsys, "show", "detector")
    assert code == 0 and "rudeness-tfidf-labelled" in out and "## Limits" in out and "- FPR 0.1: " in out
    shown = json.loads(run(capsys, "show", "detector", "--json")[1])
    assert shown["training"]["n_positives"] + shown["training"]["n_negatives"] <= 0.71 * 240 and shown["kind"] == "tfidf"
    assert [row["fpr"] for row in shown["thresholds"]] == [0.0, 0.1] and shown["thresholds"][1]["n_negatives"] == 18
    assert shown["results"][0]["measures"]["auroc"] > 0.9


def test_a_detector_is_tested_on_rows_of_ones_own(capsys):
    code, out, _ = run(capsys, "test", "detector", "labelled.jsonl", "--threshold", "0.5", "--json")
    found = json.loads(out)
    assert code == 0 and found["n_positive"] == found["n_negative"] == 120 and found["n_groups"] == 120
    assert found["auroc"] > 0.95 and found["fpr_lo"] <= found["fpr"] <= found["fpr_hi"] and found["threshold"] == 0.5
    shown = run(capsys, "test", "detector", "labelled.jsonl")[1]
    assert "AUROC" in shown and "negatives flagged" in shown and "120 positive and 120 negative texts in 120 groups" in shown


def test_training_rows_that_repeat_test_rows_are_left_out_and_prompts_never_cross(capsys, tmp_path):
    rows = [json.loads(line) for line in Path("labelled.jsonl").read_text().splitlines()]
    for n, row in enumerate(rows):
        row["split"] = ("train", "train", "train", "validation", "test", "test")[(n // 2) % 6]
    rows[0]["response"] = rows[8]["response"].upper()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = run(capsys, "train-on", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "d"), "--kind", "tfidf", "--json")
    card = json.loads(out)
    assert code == 0 and card["training"]["n_positives"] == 60 and card["training"]["n_negatives"] == 59
    assert card["audits"]["duplicate_share"] == pytest.approx(1 / 120) and card["results"][0]["measures"]["n_positive"] == 40
    thresholds = json.loads(run(capsys, "show", str(tmp_path / "d"), "--json")[1])["thresholds"]
    assert {row["n_negatives"] for row in thresholds} == {20}
    rows[0]["split"] = "test"
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = run(capsys, "train-on", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "e"))
    assert code == 2 and "1 groups stand in two splits, such as 'prompt prompt 0'" in err


@pytest.mark.parametrize("configuration", [[], [CONFIGURATION]])
def test_the_detector_of_a_study_is_saved(capsys, tmp_path, configuration):
    arguments = ["train", "toxicity", *configuration, "--study", "rude.yaml", "--out", str(tmp_path / "d")]
    code, out, err = run(capsys, *arguments)
    assert code == 0 and "AUROC" in out and "Saved in" in err
    card = json.loads(run(capsys, "show", str(tmp_path / "d"), "--json")[1])
    assert card["training"]["concept"] == "toxicity" and card["training"]["configuration"].startswith("neox-2m:caa:L01")
    code, _, err = run(capsys, *arguments)
    assert code == 2 and "a detector is there already; pass overwrite (--force)" in err
    code, out, _ = run(capsys, *arguments, "--force", "--json")
    assert code == 0 and json.loads(out)["folder"] == str(tmp_path / "d")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a detector: asteer detect --detector PATH"),
        (["detector"], "no command 'detector'; name a detector with --detector"),
        (["--detector", "none"], "none: no detector here (no card.json)"),
        (["--detector", "home"], "home: no detector here"),
        (["--detector", "detector", "--input", "none.jsonl"], "none.jsonl: no such file"),
        (["--detector", "detector", "--input", "none.csv"], "none.csv: no such file"),
        (["--detector", "detector", "--input", "home/"], "unknown kind of file ''"),
        (["--detector", "detector", "--input", "rude.yaml"], "rude.yaml: unknown kind of file '.yaml'; expected .jsonl"),
        (["--detector", "detector", "--input", "labelled.jsonl", "--fpr", "1.5"], "false-positive rate 1.5"),
        (["--detector", "detector", "--input", "labelled.jsonl", "--fpr", "0.001"], "has 18 validation negatives, which cannot show"),
        (["--detector", "detector", "--input", "labelled.jsonl", "--threshold", "nan"], "--threshold nan; expected a score from 0 to 1"),
        (["--detector", "detector", "--fpr", "0.1", "--threshold", "0.5"], "give one of them"),
        (["test", "detector", "none.jsonl"], "none.jsonl: no such file"),
        (["train", "toxicity", "--study", "none.yaml", "--out", "x"], "none.yaml"),
        (["train", "toxicty", "--study", "rude.yaml", "--out", "x"], "unknown concept of the study 'toxicty'. Did you mean 'toxicity'"),
        (["train", "toxicity", "neox-2m:caa:L01:s0.61", "--study", "rude.yaml", "--out", "x"], "Did you mean 'neox-2m:caa:L01:s0.60'"),
        (["train", "toxicity", "--kind", "tf", "--study", "rude.yaml", "--out", "x"], "Did you mean 'tfidf'"),
        (["train", "toxicity", "--study", "later.yaml", "--out", "x"], "study 'later' has no detectors of concept 'toxicity' yet; run it"),
        (["train-on", "labelled.jsonl", "--out", "x", "--kind", "tfdf"], "Did you mean 'tfidf'"),
        (["train-on", "labelled.jsonl", "--out", "x", "--kind", "encoder", "--option", "epoch=3"], "Did you mean 'epochs'"),
        (["train-on", "labelled.jsonl", "--out", "x", "--option", "epochs"], "--option 'epochs'; expected name=value"),
        (["train-on", "labelled.jsonl", "--out", "x", "--kind", "encoder", "--option", "model=none"], "encoder 'none': no such folder"),
        (["train-on", "labelled.jsonl", "--out", ".", "--kind", "tfidf", "--force"], ".: it is there and holds no detector"),
        (["train-on", "labelled.jsonl", "--out", "home", "--kind", "tfidf"], "home: it is there and holds no detector"),
    ],
)
def test_misuse_is_one_message(capsys, arguments, message):
    code, _, err = run(capsys, *arguments)
    assert code == 2 and message in err and "Traceback" not in err
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "rows.jsonl, row 3: not JSON"),
        ("[1]", "row 3: a JSON list"),
        ('{"label": 1}', "row 3: `response` (or `text`) is missing"),
        ('{"response": "a"}', "row 3: label missing; expected 0 (compliant) or 1 (violating)"),
        ('{"response": "a", "label": 2}', "row 3: label 2; expected 0"),
        ('{"response": "a", "label": [1]}', "row 3: label [1]"),
        ('{"response": "a", "label": 1, "split": "dev"}', "row 3: split 'dev'; expected train, validation, test"),
        ('{"response": "a", "label": 1, "split": "test"}', "row 1: no `split`, but other rows have one"),
        ('{"response": "\\ud800", "label": 1}', "row 3: `response` (or `text`) holds half of a surrogate pair"),
    ],
)
def test_a_broken_labelled_row_is_named(capsys, tmp_path, line, message):
    good = '{"response": "a", "label": 0}\n'
    (tmp_path / "rows.jsonl").write_text(good + good + line + "\n")
    for command in (["test", "detector", str(tmp_path / "rows.jsonl")], ["train-on", str(tmp_path / "rows.jsonl"), "--out", "x"]):
        code, _, err = run(capsys, *command)
        assert code == 2 and message in err


@pytest.mark.parametrize(("rows", "message"), [(0, "no rows"), (240, "240 of 240 test rows have label 1"), (3, "")])
def test_one_class_and_too_few_rows_cannot_train_or_test(capsys, tmp_path, rows, message):
    file = str(labelled(tmp_path / "rows.jsonl", rows, label=1))
    code, _, err = run(capsys, "test", "detector", file)
    assert code == 2 and message in err and "rows.jsonl" in err
    code, _, err = run(capsys, "train-on", file, "--out", "x", "--kind", "tfidf")
    assert code == 2 and "rows.jsonl" in err and ("label 1 (violating); both labels are needed" in err or rows == 0)
    few = labelled(tmp_path / "few.jsonl", 6)
    code, _, err = run(capsys, "train-on", str(few), "--out", "x", "--kind", "tfidf")
    assert code == 2 and "few.jsonl" in err and not Path("x").exists()


def test_a_row_that_is_no_text_stops_where_strict_and_bytes_that_are_no_text_are_named(capsys, tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"text": "a"}\n\xff\xfe\n')
    code, out, _ = run(capsys, "--detector", "detector", "--input", str(tmp_path / "rows.jsonl"))
    assert code == 0 and rows_of(out)[1]["error"] == "not UTF-8; save the file as UTF-8"
    code, _, err = run(capsys, "--detector", "detector", "--input", str(tmp_path / "rows.jsonl"), "--strict")
    assert code == 2 and "line 2: not UTF-8" in err


def test_nothing_to_score_is_said(capsys, monkeypatch):
    typed(monkeypatch, "\n\n")
    code, out, err = run(capsys, "--detector", "detector")
    assert code == 0 and out == "" and "standard input: nothing to score" in err


def rewrite(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "card.json").write_text("{"), "card.json: not the card of a detector"),
        (lambda d: rewrite(d / "card.json", kind="os.system"), "unknown detector 'os.system'"),
        (lambda d: rewrite(d / "card.json", kind="embedding"), "does not hold embedding detector"),
        (lambda d: rewrite(d / "card.json", training=3), "card.json: not the card of a detector (training"),
        (lambda d: (d / "detector.safetensors").write_bytes(b"\x80\x04K\x01."), "detector.safetensors: not a readable safetensors file"),
        (lambda d: (d / "detector.safetensors").unlink(), "detector.safetensors: no such file"),
        (lambda d: (d / "validation.safetensors").write_bytes(b"\0" * 9), "validation.safetensors: not a readable"),
        (lambda d: (d / "validation.safetensors").unlink(), "saved without validation negatives; give a threshold"),
    ],
)
def test_a_damaged_detector_is_refused_by_name(capsys, tmp_path, damage, message):
    folder = shutil.copytree("detector", tmp_path / "d")
    damage(folder)
    code, out, err = run(capsys, "--detector", str(folder), "--input", "labelled.jsonl")
    assert code == 2 and message in err and not out
