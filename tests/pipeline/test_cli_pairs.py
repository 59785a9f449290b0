"""`asteer concepts pairs`: counts, files, and errors that are one message."""

import json

import pytest

from asteer_core.concepts import load_concept
from asteer_pipeline.cli import main


@pytest.fixture(autouse=True)
def _there(tmp_path, go_to) -> None:
    go_to(tmp_path)


def test_pairs_are_written_with_their_counts_and_again_from_what_is_stored(capsys, tmp_path):
    arguments = ["concepts", "pairs", "toxicity", "--model", "llama-3m", "--limit", "20", "--coherence", "0.05", "--max-new-tokens", "40"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "asked" in shown and "kept, extraction" in shown and "dropped: " in shown
    assert (tmp_path / "home" / "pairs" / "toxicity-llama-3m.jsonl").is_file()
    assert main([*arguments, "--as", "own", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["reused"] and record["asked"] == 20 == record["kept"] + sum(record["dropped"].values())
    assert load_concept("own").pairs.height == record["kept"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["toxicty", "--model", "llama-3m"], "Did you mean 'toxicity'"),
        (["toxicity", "--model", "llama-4m"], "Did you mean 'llama-3m'"),
        (["toxicity", "--model", "llama-3m", "--trait", "0.2"], "trait=0.2 is out of range"),
        (["toxicity", "--model", "llama-3m", "--prompts", "nowhere.jsonl"], "nowhere.jsonl: missing"),
    ],
)
def test_a_user_error_is_a_message_and_exit_code_2(capsys, arguments, says):
    assert main(["concepts", "pairs", *arguments]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert says in error and "Traceback" not in error
