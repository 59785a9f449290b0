"""The command line: exit codes, messages without tracebacks, and what is shown to a terminal."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from rich.console import Console

from asteer_core.errors import AsteerError
from asteer_pipeline.cli import app, main, results
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.terminal import interval, number, printable
from asteer_pipeline.cli.ui import ui_command

HERE = Path(__file__).parent
MINI = str(HERE / "mini.yaml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["study", "plan", "qiuck"], "Did you mean 'quick'"),
        (["study", "run", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["sql", "-c", "SELECT 1"], "no warehouse there yet"),
        (["sql"], "give one query"),
        (["sql", "missing.sql"], "missing.sql: cannot be read"),
        (["study", "run", "--rows", "x"], "--rows"),
        (["stduy"], "stduy"),
    ],
)
def test_a_user_error_is_a_message_and_exit_code_2(arguments, says, home, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


def test_debug_shows_the_traceback_wherever_it_stands(home):
    with pytest.raises(AsteerError):
        main(["study", "plan", "qiuck", "--debug"])
    with pytest.raises(AsteerError):
        main(["--debug", "study", "plan", "qiuck"])


def test_a_bug_is_not_dressed_up_as_a_user_error(monkeypatch):
    monkeypatch.setattr(app.study, "show_presets", None)
    monkeypatch.setattr(app, "app", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["study", "list"])


def test_the_plan_is_shown_and_its_keys_can_be_listed(home, capsys):
    assert main(["study", "plan", MINI]) == 0
    assert "8 per concept, 16 responses each" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
    assert main(["study", "plan", MINI, "--keys"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "beta:caa:L02:s0.10"


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ("{kind: logodds, model: nobody}", "unknown model 'nobody'"),
        ("{kind: logodds, model: neox-2m}", "poor judge of its own replies"),
        ("{kind: openai, base_url: 'http://127.0.0.1:9/v1', model: m, max_calls: 50}", "more than max_calls of 50"),
    ],
)
def test_the_plan_says_what_is_wrong_with_a_judge_or_its_limits(home, tmp_path, judge, says, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "s.yaml").write_text(
        "name: s\nconcepts: [toxicity]\nmodels: [neox-2m]\ngrid: [{method: caa, layers: [1], strengths: [0.4]}]\n"
        f"size: {{prompts: 16}}\nmetrics: {{m: 8}}\njudge: {judge}\n"
    )
    main(["study", "plan", str(tmp_path / "s.yaml")])
    shown = capsys.readouterr()
    assert says in " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize(("text", "says"), [("", "holds nothing"), ("[a]", "holds a list")])
def test_a_file_that_is_no_study_is_told_what_one_holds(tmp_path, text, says, capsys):
    (tmp_path / "s.yaml").write_text(text)
    assert main(["study", "plan", str(tmp_path / "s.yaml")]) == 2
    assert f"s.yaml: {says}; expected a mapping with name, concepts, models and grid" in " ".join(capsys.readouterr().err.split())


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("demo", "study", "sql", "ui", "--debug"))


def test_ctrl_c_ends_cleanly_says_what_is_kept_and_how_to_go_on(home):
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import fake_core; fake_core.install(setattr); "
        "from asteer_pipeline.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script, str(HERE), "study", "run", MINI, "--home", str(home)],
        env={**os.environ, "FAKE_SECONDS": "0.3"}, cwd=HERE.parents[1], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []
    while not any("baseline_metrics: 1/1" in line for line in lines):
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "Interrupted. Kept: contrastive_prompts 1/1" in error and f"asteer study run {MINI}" in error
    assert "Traceback" not in error


def test_the_ui_listens_on_this_machine_only_with_its_study_and_instance(home):
    command, environment = ui_command(MINI, home, 3123)
    assert command[1:4] == ["-m", "dagster", "dev"]
    assert command[command.index("-h") + 1] == "127.0.0.1" and command[command.index("-p") + 1] == "3123"
    assert environment["ASTEER_STUDY"] == MINI and environment["DAGSTER_HOME"] == str(home / "dagster")
    assert "location_name: asteer" in Path(command[command.index("-w") + 1]).read_text()
    assert "telemetry" in (home / "dagster" / "dagster.yaml").read_text()


def test_an_edited_instance_file_is_left_alone(home):
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: true}")
    ui_command(MINI, home, 3123)
    assert (home / "dagster" / "dagster.yaml").read_text() == "telemetry: {enabled: true}"


def test_nothing_that_drives_a_terminal_is_printed():
    assert printable("a\x1b[31mb\u202ec\n\td") == "a\ufffd[31mb\ufffdc\n\td"


def test_undefined_numbers_are_dashes():
    assert number(None) == number(float("nan")) == interval(None, 1, 2) == "–"
    assert interval(0.1, -0.02, 0.3, signed=True) == "+.10 [-.02 +.30]"
    assert number(1.0) == "1.00" and number(-1.0, signed=True) == "-1.00" and number(0.005) in (".01", ".00")


def test_progress_outside_a_terminal_is_a_line_per_finished_stage(capsys):
    console = Console(file=sys.stdout, force_terminal=False)
    with shown_progress(console) as listen:
        for done in range(4):
            listen("judges", done, 3, "[red]x[/]")
    assert [line.split("s  ")[1] for line in capsys.readouterr().out.splitlines()] == ["judges: 0/3 [red]x[/]", "judges: 3/3 [red]x[/]"]


def test_progress_on_a_terminal_takes_notes_as_text():
    screen = io.StringIO()
    with shown_progress(Console(file=screen, force_terminal=True, width=120)) as listen:
        listen("judges", 1, 3, "[/] [link=http://e]x\x1b[2J")
    assert "(link=http://e)x\ufffd(2J" in screen.getvalue()


ROW = {
    "concept": "evasion", "configuration_id": "evasion:m:caa:L02:s0.60#1a2b3c4d", "arm": "steered", "success": 0.5, "coherence": 0.25,
    "diversity": None, "hm": None, "auroc": 0.71, "auroc_lo": 0.6, "auroc_hi": 0.8, "difference": 0.05, "difference_lo": -0.01,
    "difference_hi": 0.11, "flags": "length",
}  # fmt: skip


def test_results_show_configurations_baselines_correlations_and_where_to_look(monkeypatch, home, capsys):
    prompted = ROW | {"arm": "prompted", "configuration_id": "evasion:m:prompted:blunt#00000000", "difference": None, "flags": None}
    worse = ROW | {"configuration_id": "evasion:m:caa:L02:s0.90#00000001", "auroc": 0.6}
    correlation = {"concept": "pooled", "metric": "hm", "spearman": 0.42, "spearman_lo": 0.1, "spearman_hi": 0.7}
    frames = {
        results.CONFIGURATIONS: pl.DataFrame([ROW, worse, prompted], infer_schema_length=None),
        results.VERDICTS: pl.DataFrame([{"judge": "openai", "n": 96, "nulls": 7, "reason": "unreadable: [no] object"}]),
        results.CORRELATIONS: pl.DataFrame([correlation, correlation | {"metric": "mtld", "spearman": -0.2}]),
        results.BEATS: pl.DataFrame([{f"share_wins{b}{e}": 0.5 for b in ("", "_best") for e in ("", "_lo", "_hi")}]),
    }
    monkeypatch.setattr(results, "query", lambda sql, path, parameters: frames[sql])
    named = SimpleNamespace(alternatives=("mtld",))
    study = SimpleNamespace(name="mini", detectors=SimpleNamespace(headline="embedding"), metrics=named)
    results.show_results(Console(width=80), study, home, rows=1, command="asteer ui my-study.yaml")
    shown = capsys.readouterr().out
    assert "m:caa:L02:s0.60 " in shown and ".71 [.60 .80]*" in shown and "+.05 [-.01 +.11]" in shown and "length 1 of 2" in shown
    assert "7 of 96 responses have no verdict of the judge openai (mostly: unreadable: [no] object)" in " ".join(shown.split())
    assert "s0.90" not in shown and "1 more in the warehouse" in shown and "m:prompted:blunt" in shown
    assert "+.42 [+.10 +.70]" in shown and "mtld" in shown and "-.20 [" in shown
    assert str(home / "warehouse.duckdb") in shown and "asteer ui my-study.yaml" in shown
