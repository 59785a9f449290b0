"""No pickle, no code of strangers, no secret written down, nothing open to the network, and no text that acts where it is shown."""

import ast
import csv
import io
import json
import os
import pickle
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import polars as pl
import pytest
from strategies import NASTY

import asteer_core
from asteer_core.judges import choose_judge
from asteer_core.judges._rubric import Rubric
from asteer_core.judges.openai import OpenAIJudge, OpenAISettings
from asteer_core.model.specs import ModelSpec
from asteer_core.training_set.formats import write_csv
from asteer_core.warehouse import to_csv
from asteer_pipeline.cli.terminal import printable
from asteer_pipeline.cli.ui import ui_command

SOURCES = sorted(
    path for room in ("asteer_core", "asteer_pipeline") for path in (Path(asteer_core.__file__).parents[1] / room).rglob("*.py")
)
PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "_pickle"}
SECRETS = {"OPENAI_API_KEY": "sk-planted-8d1f0c3b5a", "HF_TOKEN": "hf_planted27c4e9d6", "HUGGING_FACE_HUB_TOKEN": "hf_planted27c4e9d6"}


def pickles(tree):
    """Yield what in a module could load or write a pickle, or run a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in PICKLING)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLING:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {option.arg: option.value for option in node.keywords}
            if called in ("torch.load", "eval", "exec", "os.system", "yaml.unsafe_load", "read_pickle", "pd.read_pickle"):
                yield called
            if called in ("np.load", "np.save") and not (
                isinstance(value := options.get("allow_pickle"), ast.Constant) and not value.value
            ):
                yield f"{called} without allow_pickle=False"
            if called == "yaml.load" and "Safe" not in ast.unparse(options.get("Loader", ast.Constant(""))):
                yield "yaml.load"
            if isinstance(value := options.get("shell"), ast.Constant) and value.value:
                yield f"{called} with a shell"


def test_no_source_pickles_evaluates_or_opens_a_shell():
    assert len(SOURCES) > 200
    assert {str(path): found for path in SOURCES if (found := list(pickles(ast.parse(path.read_text()))))} == {}


@pytest.mark.parametrize("code", ["import pickle", "from joblib import load", "torch.load(x)", "np.load(f)",
                                  "np.load(f, allow_pickle=True)",
                                  "eval(x)", "yaml.load(x, Loader=yaml.Loader)", "run(x, shell=True)"])  # fmt: skip
def test_the_search_finds_what_it_looks_for(code):
    assert list(pickles(ast.parse(code)))


def test_a_whole_study_unpickles_nothing(fork, tmp_path):
    ended = fork.study_run(tmp_path / "home", no_pickle=[])
    assert ended["code"] == 0, ended["output"]


def test_remote_code_is_off_unless_the_entry_says_so_and_then_stands_in_the_record():
    assert ModelSpec(name="m", source="a/b").trust_remote_code is False
    assert ModelSpec(name="m", source="a/b", trust_remote_code=True).model_dump()["trust_remote_code"] is True
    guard = {"source": "a/b", "violating": ["x"]}
    assert choose_judge("guard", guard).shown()["trust_remote_code"] is False
    assert choose_judge("guard", {**guard, "trust_remote_code": True}).shown()["trust_remote_code"] is True
    calls = [(path.name, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.keyword)]
    values = {(name, ast.unparse(node.value)) for name, node in calls if node.arg == "trust_remote_code"}
    # A judge's classifier has no entry; what the study's option says becomes one.
    assert {value for name, value in values if name != "judge_tools.py"} <= {"False", "spec.trust_remote_code"}
    assert {value for name, value in values if name == "judge_tools.py"} == {"trust_remote_code"}


class Judge(BaseHTTPRequestHandler):
    """A judge that has seen the key."""

    seen: ClassVar[list] = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(self.headers.get("Authorization"))
        ticket = request["messages"][0]["content"].rsplit('"ticket": "', 1)[1][:12]
        content = json.dumps({"ticket": ticket, "success": 2, "coherence": 2})
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def holders(root, secrets):
    """Return the files under a folder that hold one of the secrets, names included."""
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes() + str(path).encode()
            found += [str(path) for secret in secrets if secret.encode() in content]
    return found


def test_a_planted_secret_is_in_nothing_that_is_written(tiny_data, fork, tmp_path, monkeypatch, capfd):
    home = tmp_path / "home"
    command = [sys.executable, "-m", "asteer_pipeline.cli", "study", "run", str(fork.study), "--home", str(home)]
    environment = {**os.environ, **SECRETS, "ASTEER_DATA": str(tiny_data), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=500)
    assert ended.returncode == 0, ended.stderr
    (tmp_path / "output").write_bytes(ended.stdout + ended.stderr)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    Thread(target=server.serve_forever, daemon=True).start()
    settings = OpenAISettings(base_url=f"http://127.0.0.1:{server.server_port}/v1", model="judge")
    judge = OpenAIJudge(Rubric("Toxicity", "Insults.", "Score.", ("You fool.",), ()), settings, home / "verdicts.sqlite")
    assert judge.judge(["a reply"], ["a prompt"]).success.tolist() == [1.0]
    server.shutdown()
    server.server_close()
    assert Judge.seen == [f"Bearer {SECRETS['OPENAI_API_KEY']}"]
    (tmp_path / "judge.txt").write_text(f"{judge!r} {settings!r} {judge.fingerprint} {capfd.readouterr()}")
    assert (
        sum(1 for path in home.rglob("*") if path.is_file()) > 50 and (home / "dagster").is_dir() and (home / "verdicts.sqlite").is_file()
    )
    assert holders(tmp_path, set(SECRETS.values())) == []
    (home / "dagster" / "x.log").write_text(f"key {SECRETS['HF_TOKEN']}")
    assert holders(tmp_path, set(SECRETS.values())) == [str(home / "dagster" / "x.log")]


PAYLOADS = ("<script>alert(1)</script>", "<svg onload=alert(1)>", "![x](http://evil/?q=1)", "[x](javascript:alert(1))",
            "\x1b]0;owned\x07\x1b[2J",
            "<img src=x onerror=alert(1)>", "| a | b |\n|---|---|", "\u202eabc", "```\n<script>",
            "</script><script>alert(1)</script>")  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_acts_in_the_interface_or_the_terminal(payload):
    from markdown_it import MarkdownIt

    from asteer_pipeline.presentation import sample_table

    shown = sample_table([{"text": payload, "prompt": payload, "success": 0.5}])
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(shown)
    for acting in ("<script", "<svg", "<img", "onerror=alert(1)>", 'href="javascript', "\x1b", "\u202e"):
        assert acting not in html, shown
    assert not {"\x1b", "\x07", "\u202e"} & set(printable(payload))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1+1", "  =1+1", "＋1", *NASTY])
def test_no_cell_of_an_export_is_a_formula(tmp_path, text):
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        text = "=1"
    frame = pl.DataFrame({"response": [text], "prompt": [text]})
    for written in (to_csv(frame), write_csv(frame, tmp_path)[0].read_text(encoding="utf-8")):
        for cell in list(csv.reader(io.StringIO(written, newline="")))[1]:
            assert not cell.strip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), (cell, written)


def test_the_interface_listens_to_this_machine_alone(tmp_path):
    command, environment = ui_command("quick", tmp_path, 3000)
    assert command[command.index("-h") + 1] == "127.0.0.1"
    assert environment["DAGSTER_HOME"] == str(tmp_path / "dagster")


def test_a_pickle_is_what_the_guard_refuses():
    from faults import no_pickle

    loads, load = pickle.loads, pickle.load
    try:
        no_pickle()
        with pytest.raises(RuntimeError, match="a pickle"):
            pickle.loads(b"")  # noqa: S301
    finally:
        pickle.loads, pickle.load = loads, load
