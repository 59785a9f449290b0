"""`asteer sql`, `asteer warehouse` and `asteer report` on a published synthetic study; the prompt is driven through a pipe."""

import json
import shutil

import duckdb
import polars as pl
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from asteer_core.errors import ConfigError
from asteer_core.warehouse import query, upgrade
from asteer_core.warehouse.completion import names
from asteer_pipeline.cli import main
from asteer_pipeline.cli.rows import show
from asteer_pipeline.cli.sql_shell import Names, is_complete, shell
from tests.core.warehouse.conftest import write_study


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A home with one synthetic study, published."""
    home = tmp_path_factory.mktemp("home")
    write_study(home / "studies" / "demo")
    upgrade(home)
    return home


def test_one_shot_formats(published, capsys):
    select = ["sql", "--home", str(published), "-c", "SELECT '=1' AS a, 2.5 AS b"]
    assert main([*select, "-f", "csv"]) == 0
    assert capsys.readouterr().out == "a,b\n'=1,2.5\n"
    assert main([*select, "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"a": "=1", "b": 2.5}


def test_null_is_told_from_an_empty_text(published, capsys):
    select = ["sql", "--home", str(published), "-c", "SELECT NULL AS a, '' AS b"]
    assert main(select) == 0
    assert "│ NULL │" in capsys.readouterr().out
    assert main([*select, "-f", "markdown"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "| NULL |  |"


def test_no_rows_are_explained_on_the_error_stream(published, capsys):
    assert main(["sql", "--home", str(published), "-c", "SELECT model FROM best_configurations('toxcity', 3)", "-f", "csv"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "model\n" and "Did you mean 'toxicity'?" in shown.err


def test_a_query_in_the_place_of_a_file_is_told_where_it_belongs(published, capsys):
    assert main(["sql", "--home", str(published), "FROM leaderboard LIMIT 2"]) == 2
    assert 'asteer sql -c "FROM leaderboard LIMIT 2"' in capsys.readouterr().err


def test_rows_wider_than_the_terminal_are_shown_a_value_a_line_or_without_the_columns_that_do_not_fit(published, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    board = query("FROM leaderboard", published / "warehouse.duckdb")
    show(board.head(2), terminal=True, paged=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row 1" and max(map(len, lines)) <= 90
    assert [line.split()[0] for line in lines[1 : board.width + 1]] == board.columns, "every column is there"
    show(board, terminal=True, paged=False)
    shown = capsys.readouterr()
    assert max(map(len, shown.out.splitlines())) <= 90 and "…" not in shown.out
    named = shown.err.replace("\n", " ")
    left = [name for name in board.columns if f" {name} " not in shown.out.splitlines()[1].replace("┃", " ")]
    assert f"{len(left)} of {board.width} columns do not fit" in named and all(name in named for name in left)
    show(board, terminal=False, paged=False)
    piped = capsys.readouterr().out
    assert all(name in piped for name in board.columns) and "…" not in piped


def test_rows_go_to_a_file_by_its_suffix(published, tmp_path, capsys):
    out = tmp_path / "rows.parquet"
    assert main(["sql", "--home", str(published), "-c", "FROM leaderboard", "-o", str(out)]) == 0
    assert pl.read_parquet(out).height == 36
    assert "36 rows" in capsys.readouterr().err
    assert main(["sql", "--home", str(published), "-c", "FROM leaderboard", "-o", str(tmp_path / "rows.xlsx")]) == 2


@pytest.mark.parametrize("statement", ["DELETE FROM corpus_metrics", "CREATE TABLE mine AS SELECT 1", "COPY (SELECT 1) TO 'x.csv'"])
def test_sql_that_writes_the_warehouse_is_refused(published, capsys, statement, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (published / "warehouse.duckdb").read_bytes()
    code = main(["sql", "--home", str(published), "-c", statement])
    assert (published / "warehouse.duckdb").read_bytes() == before
    assert code == (0 if statement.startswith("COPY") else 2)
    assert code == 0 or "read-only" in capsys.readouterr().err


def test_without_a_query_and_without_a_terminal_it_says_what_to_give(published, capsys):
    assert main(["sql", "--home", str(published)]) == 2
    assert "a prompt needs a terminal" in capsys.readouterr().err


def typed(published, tmp_path, keys: str, run=None) -> tuple[list[str], list[str], list[str]]:
    """Return what the prompt ran, complained of and said while `keys` were typed."""
    ran, complained, said = [], [], []

    def note(text: str) -> None:
        ran.append(text)
        if run:
            run(text)

    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys + "\x04")
        shell(names(published / "warehouse.duckdb"), tmp_path / "deep" / "history", note, complained.append, said.append)
    return ran, complained, said


def test_the_prompt_takes_statements_over_several_lines_and_keeps_them(published, tmp_path):
    ran, _, said = typed(published, tmp_path, "SELECT 1\rFROM x;\r.tables\r.describe regret\r.wrong\r")
    assert ran[0] == "SELECT 1\nFROM x"
    described = query(ran[1], published / "warehouse.duckdb")
    assert described["column_name"].to_list() == query("FROM regret LIMIT 0", published / "warehouse.duckdb").columns
    assert any("leaderboard" in text and "Every trained detector" in text for text in said)
    assert "FROM x;" in (tmp_path / "deep" / "history").read_text()


def test_the_prompt_lists_macros_and_names_the_nearest_table(published, tmp_path):
    ran, complained, said = typed(published, tmp_path, ".tables\r.describe leaderbord\r")
    assert any("best_configurations(" in text for text in said)
    assert ran == [] and "Did you mean 'leaderboard'?" in complained[0]


def test_the_prompt_goes_on_after_an_error(published, tmp_path):
    def fail(text: str) -> None:
        if "bad" in text:
            raise ConfigError("the query failed")

    ran, complained, _ = typed(published, tmp_path, "bad;\rgood;\r", fail)
    assert ran == ["bad", "good"] and complained == ["the query failed"]


@pytest.mark.parametrize("word", [".quit", "quit", "exit;", "\\q", "QUIT"])
def test_the_prompt_is_left_by_the_words_of_other_prompts(published, tmp_path, word):
    ran, complained, _ = typed(published, tmp_path, f"{word}\rSELECT 1;\r")
    assert ran == complained == []


@pytest.mark.parametrize(("text", "done"), [("SELECT 1", False), ("SELECT quit", False), ("SELECT 1;", True), (".help", True), ("", True)])
def test_enter_ends_a_statement_at_its_semicolon(text, done):
    assert is_complete(text) == done


@pytest.mark.parametrize(
    ("text", "expected"),
    [("FROM lead", "leaderboard"), ("SELECT spear", "spearman"), ("FROM best_", "best_configurations("), ("sel", "SELECT")],
)
def test_completion_knows_tables_columns_macros_and_words(published, text, expected):
    completer = Names(names(published / "warehouse.duckdb"))
    found = list(completer.get_completions(Document(text), CompleteEvent()))
    assert expected in [completion.text for completion in found]
    assert not any(completion.text == "spearman" for completion in found) or "spear" in text


def test_after_from_only_tables_are_offered(published):
    completer = Names(names(published / "warehouse.duckdb"))
    found = {completion.text for completion in completer.get_completions(Document("FROM s"), CompleteEvent())}
    assert "strength_curves" in found and "success" not in found and "SELECT" not in found


def test_upgrade_export_and_attach(published, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(published / "studies", home / "studies")
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE about AS SELECT 1 AS schema_version")
    assert main(["sql", "--home", str(home), "-c", "FROM leaderboard"]) == 2
    assert "asteer warehouse upgrade" in capsys.readouterr().err
    assert main(["warehouse", "upgrade", "--home", str(home)]) == 0
    assert "from schema version 1" in capsys.readouterr().out
    assert main(["sql", "--home", str(home), "-c", "FROM leaderboard LIMIT 1"]) == 0
    assert main(["warehouse", "export", str(tmp_path / "out"), "--home", str(home)]) == 0
    assert (tmp_path / "out" / "schema.sql").is_file()
    assert main(["warehouse", "export", str(tmp_path / "out"), "--home", str(home)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert main(["warehouse", "attach", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    assert all(client in shown for client in ("DBeaver", "dbConnect", "duckdb -readonly", "ATTACH"))


def test_report_names_the_file_and_an_unknown_study(published, tmp_path, capsys):
    assert main(["report", "demo", "--home", str(published), "-o", str(tmp_path / "r.html")]) == 0
    shown = capsys.readouterr().out
    assert "Steered data beat prompting in" in shown and str(tmp_path / "r.html") in shown
    assert main(["report", "dmeo", "--home", str(published)]) == 2
    assert "Did you mean 'demo'" in capsys.readouterr().err
