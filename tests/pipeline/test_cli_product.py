"""The commands of the product where no model is needed: errors that say what to do, and text that cannot drive the terminal."""

import polars as pl
import pytest

from asteer_core.search.preview import Preview
from asteer_core.types import Configuration
from asteer_pipeline.cli import main
from asteer_pipeline.cli import preview as preview_command


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["optimise", "toxicity", "--model", "llama-3m", "--budget", "a lot"], "20k-responses"),
        (["optimise", "toxicity", "--model", "llama-3m", "--objective", "sucess"], "Did you mean 'success'"),
        (["optimise", "toxicity", "--model", "llama-3m", "--recipe", "best"], "log_determinant"),
        (["optimise", "toxicity", "--model", "llama-3m", "--min-success", "2"], "0 to 1"),
        (["optimise", "toxicty", "--model", "llama-3m"], "Did you mean 'toxicity'"),
        (["optimise", "toxicity", "--model", "lama-3m"], "Did you mean 'llama-3m'"),
        (["optimise", "toxicity", "--model", "llama-3m", "--study", "quick", "--methods", "caa"], "--methods beside --study quick"),
        (["optimise", "toxicity", "--model", "llama-3m", "--study", "quick", "--judge", "embedded"], "--judge beside --study quick"),
        (["optimise", "toxicity", "--model", "llama-3m", "--judge", "guard"], "option 'source' is missing"),
        (["optimise", "toxicity", "--model", "llama-3m", "--study", "quick", "--prompts", "999"], "999 prompts, but study 'quick' has"),
        (["optimise", "toxicity", "--model", "llama-3m", "--temperature", "0.6,1.1"], "--sampler tpe"),
        (["optimise", "toxicity", "--model", "llama-3m", "--sampler", "tpe", "--top-p", "1,0.8"], "the lowest and the highest"),
        (["optimise", "toxicity", "--model", "llama-3m", "--sampler", "tpe", "--temperature", "warm"], "is not a number"),
        (["export", "training-set", "toxicity", "--model", "llama-3m", "--out", "set"], "asteer optimise toxicity --model llama-3m"),
        (["preview", "toxicity", "--model", "llama-3m", "--method", "cca"], "Registered: "),
    ],
)
def test_a_mistake_is_one_message_that_says_what_to_do(arguments, message, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown.replace("\n", " ") and "Traceback" not in shown


def test_a_search_whose_judge_cannot_be_asked_makes_nothing(home, capsys):
    (home / "keyed.yaml").write_text("kind: openai\nbase_url: http://127.0.0.1:9/v1\nmodel: m\nkey_env: NO_SUCH_KEY\n")
    assert main(["optimise", "toxicity", "--model", "llama-3m", "--judge", str(home / "keyed.yaml")]) == 2
    assert "variable NO_SUCH_KEY is not set" in capsys.readouterr().err and not list(home.rglob("*.parquet"))


def test_a_preview_cannot_drive_the_terminal_and_begins_with_the_notice(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    hostile = "\x1b[2J\x1b]0;title\x07[red]text[/red] \u202egnp"
    rows = pl.DataFrame({"prompt": ["p"], "unsteered": ["u"], "prompted": [hostile], "steered": [hostile]})
    arms = (Configuration("toxicity", "llama-3m", "prompted", template="mild-1"), Configuration("toxicity", "llama-3m", "caa", 1, 0.4))
    monkeypatch.setattr(preview_command, "side_by_side", lambda *_: Preview(rows, *arms))
    assert main(["preview", "toxicity", "--model", "llama-3m"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Content warning") and "[red]" in shown
    assert not any(character in shown for character in ("\x1b", "\x07", "\u202e"))
