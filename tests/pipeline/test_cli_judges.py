"""`--judge` of `asteer score`, `compare`, `judge calibrate` and `judge check`: who is asked, what it costs, and what is not known."""

import json
from pathlib import Path

import polars as pl
import pytest

from asteer_pipeline.cli import main
from tests.core.judges.conftest import completion, endpoint, ticket, verdict

__all__ = ["endpoint"]
ROWS = 16
LABELLED = 20


@pytest.fixture
def folder(tmp_path, small_data, go_to, endpoint) -> Path:
    """The current folder: `corpus.jsonl`, `labels.jsonl`, and `judge.yaml` for an endpoint with prices."""
    frame = pl.read_ndjson(small_data / "concepts" / "toxicity" / "real.jsonl").filter(pl.col("split") == "test")
    rows = pl.concat([frame.filter(pl.col("label") == label).head(ROWS // 2) for label in (0, 1)])
    rows.select("prompt", "response", configuration=pl.lit("c")).write_ndjson(tmp_path / "corpus.jsonl")
    rows.select("prompt", "response", "label").write_ndjson(tmp_path / "labels.jsonl")
    (tmp_path / "judge.yaml").write_text(
        f"kind: openai\nbase_url: {endpoint.url}\nmodel: m\nkey_env: null\nlabelled: {LABELLED}\nretries: 0\n"
        "input_price: 1.0\noutput_price: 2.0\n"
    )
    go_to(tmp_path)
    return tmp_path


SCORE = ["score", "corpus.jsonl", "--m", "8", "--concept", "toxicity", "--judge", "judge.yaml"]


def test_a_dry_run_gives_calls_tokens_and_dollars_and_sends_nothing(folder, endpoint, capsys):
    assert main([*SCORE, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"{ROWS + LABELLED} calls for {ROWS + LABELLED} responses (0 are in the cache" in shown and "dollars. Nothing was sent." in shown
    assert main([*SCORE, "--dry-run", "--json"]) == 0
    costs = json.loads(capsys.readouterr().out)
    assert costs["dollars"] == pytest.approx((costs["input_tokens"] + 2 * costs["output_tokens"]) / 1e6)
    assert main(["judge", "check", "toxicity", "--judge", "judge.yaml", "--dry-run"]) == 0
    assert f"{LABELLED} calls" in capsys.readouterr().out
    assert main(["score", "corpus.jsonl", "--concept", "toxicity", "--dry-run"]) == 0
    assert "costs nothing" in capsys.readouterr().out
    assert endpoint.requests == []


def test_a_corpus_is_scored_by_an_endpoint_once_and_its_nulls_are_told(folder, endpoint, capsys):
    def script(request, number):
        content = "no" if int(ticket(request), 16) % 5 == 0 else verdict(request, int(ticket(request), 16) % 3)
        return 200, {}, completion(content)

    endpoint.script = script
    assert main([*SCORE, "--json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    n_null = record["values"]["n_null"]
    assert record["judge"] == "openai" and 0 < n_null < ROWS and sum(record["nulls"].values()) == n_null
    assert record["values"]["success_lowest"] < record["values"]["success"] < record["values"]["success_highest"]
    number = len(endpoint.requests)
    assert main(SCORE) == 0
    shown = capsys.readouterr().out
    assert "Success is what the judge openai says." in shown and f"{n_null} responses have no verdict: unreadable" in shown
    # What could not be read is asked again; what was graded is not.
    assert len(endpoint.requests) == number + 3 * n_null


def test_labels_say_how_far_an_endpoint_agrees(folder, endpoint, capsys):
    labels = dict(pl.read_ndjson("labels.jsonl").select("response", "label").rows())

    def script(request, number):
        text = request["messages"][1]["content"]
        known = next((label for response, label in labels.items() if response in text), number % 2)
        return 200, {}, completion(verdict(request, 2 * known))

    endpoint.script = script
    arguments = ["judge", "calibrate", "labels.jsonl", "--concept", "toxicity", "--judge", "judge.yaml"]
    assert main([*arguments, "--dry-run"]) == 0
    assert f"{ROWS + LABELLED} calls" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["kappa"] == 1.0 and first["n"] == ROWS
    assert main(["judge", "check", "toxicity", "--judge", "judge.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "openai" in shown and "AUROC, out of fold" in shown and "labelled rows with a verdict" in shown
    assert main(["judge", "check", "toxicity", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["judge"] == "embedded" and report["auroc"] > 0.8 and report["n"] == 120


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["score", "corpus.jsonl", "--concept", "toxicity", "--judge", "openai"], "option 'base_url' is missing"),
        (["score", "corpus.jsonl", "--concept", "toxicity", "--judge", "none.yaml"], "none.yaml: cannot be read"),
        (["score", "corpus.jsonl", "--judge", "judge.yaml"], "name the concept that it is to judge"),
        (["score", "corpus.jsonl", "--concept", "toxicity", "--judge", "embeded"], "Did you mean 'embedded'"),
        (["judge", "check", "toxicity", "--judge", "keyed.yaml"], "the environment variable NO_SUCH_KEY is not set"),
        (["judge", "check", "toxicity", "--judge", "other.yaml"], "unknown model 'nobody'"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_a_message_and_exit_code_2(folder, arguments, says, capsys):
    Path("keyed.yaml").write_text("kind: openai\nbase_url: http://127.0.0.1:9/v1\nmodel: m\nkey_env: NO_SUCH_KEY\n")
    Path("other.yaml").write_text("kind: logodds\nmodel: nobody\n")
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert says in error and "Traceback" not in error
