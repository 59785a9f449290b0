"""Rows of concepts, data sets and corpora, judges' replies, vector files, templates and SQL: a result or an error that says where."""

import json
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import NASTY, budget, changed, corrupted, ends, values, words

from asteer_core.concepts.rows import JUDGE, PAIRS, read_rows
from asteer_core.datasets import read_dataset, resolve
from asteer_core.errors import AsteerError, ConfigError, DataError, ModelError
from asteer_core.judges._reply import Grades, UnreadableReply, read_reply
from asteer_core.paths import data_root
from asteer_core.study.corpus_file import read_corpora
from asteer_core.vector_files import read_directions
from asteer_core.warehouse import publish, query

ROWS = [json.loads(line) for line in (data_root() / "concepts" / "evasion" / "judge.jsonl").read_text().splitlines()[:3]]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
RECORDS = [{"text": f"reply {n}", "asked": f"question {n}", "label": n % 2, "set": "train"} for n in range(12)]


@budget(160)
@given(rows=changed(ROWS))
def test_rows_of_a_concept_with_anything_in_them(tmp_path, rows):
    file = tmp_path / "judge.jsonl"
    lines = rows if isinstance(rows, list) else [rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    ends("concept rows", lambda: read_rows(file, JUDGE), "judge.jsonl")


@budget(120)
@given(content=corrupted(LINES) | st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b'{"id": ' + b"9" * 5000 + b"}")
def test_rows_of_a_concept_of_any_bytes(tmp_path, content):
    (tmp_path / "judge.jsonl").write_bytes(content)
    ends("concept rows", lambda: read_rows(tmp_path / "judge.jsonl", JUDGE), "judge.jsonl")


def test_a_line_separator_inside_a_text_ends_no_row(tmp_path):
    text = "one\u2028two\u0085three\u000bfour"
    row = {**ROWS[0], "response": text}
    (tmp_path / "judge.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    if "\u000b" in text:  # JSON itself forbids this one unescaped
        row["response"] = text.replace("\u000b", "")
        (tmp_path / "judge.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_rows(tmp_path / "judge.jsonl", JUDGE)["response"][0] == row["response"]


def spec_of(folder, kind, **more):
    description = {
        "name": "mine", "kind": kind, "license": "MIT", "path": str(folder), "files": {"train": f"rows.{kind}"},
        "columns": {"response": "text", "prompt": "asked", "label": "label"},
        "splits": {"train": {"train": 0.5, "validation": 0.2, "test": 0.3}}, **more,
    }  # fmt: skip
    return resolve(description, "recipe.yaml", folder)


def whole(folder, kind):
    frame, file = pl.DataFrame(RECORDS), folder / f"whole.{kind}"
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "json": frame.write_json, "parquet": frame.write_parquet}[kind](file)
    return file.read_bytes()


@budget(320)
@given(data=st.data(), kind=st.sampled_from(["csv", "jsonl", "json", "parquet"]))
def test_a_data_set_of_any_bytes(tmp_path, data, kind):
    content = data.draw(corrupted(whole(tmp_path, kind)) | st.binary(max_size=60))
    (tmp_path / f"rows.{kind}").write_bytes(content)
    ends("data set", lambda: read_dataset(spec_of(tmp_path, kind), tmp_path / "cache"), "rows.", "mine")
    assert not list(tmp_path.rglob("*.tmp"))


@budget(120)
@given(rows=changed(RECORDS), kind=st.sampled_from(["jsonl", "json"]))
def test_a_data_set_with_anything_in_it(tmp_path, rows, kind):
    lines = rows if isinstance(rows, list) else [rows]
    text = json.dumps(lines) if kind == "json" else "".join(json.dumps(row) + "\n" for row in lines)
    (tmp_path / f"rows.{kind}").write_text(text, encoding="utf-8")
    ends("data set", lambda: read_dataset(spec_of(tmp_path, kind)), "rows.", "mine")


@budget(80)
@given(sql=st.sampled_from(["text", "label = 1", "1/0", "(SELECT 1)", "read_csv('/etc/passwd')", "text; DROP TABLE x"]) | words)
def test_an_expression_of_any_text(tmp_path, sql):
    (tmp_path / "rows.csv").write_bytes(whole(tmp_path, "csv"))

    def read():
        found = read_dataset(spec_of(tmp_path, "csv", where=sql))
        assert "root:" not in str(found.rows)

    ends("expression", read, "rows.csv", "mine", "recipe.yaml")


@budget(240)
@given(data=st.data(), kind=st.sampled_from(["csv", "jsonl", "json", "parquet"]))
def test_a_corpus_of_any_bytes(tmp_path, data, kind):
    frame, file = pl.DataFrame({"prompt": ["a", "b"], "response": ["c", "d\u2028e"]}), tmp_path / f"corpus.{kind}"
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "json": frame.write_json, "parquet": frame.write_parquet}[kind](file)
    file.write_bytes(data.draw(corrupted(file.read_bytes()) | st.binary(max_size=60)))
    ends("corpus", lambda: read_corpora(file), "corpus.")


READER = """
import sys
from pathlib import Path
from asteer_core.errors import AsteerError
from asteer_core.study.corpus_file import read_corpora
file, content = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
for place in range(int(sys.argv[3]), len(content)):
    print(place, flush=True)
    file.write_bytes(content[:place] + bytes([content[place] ^ 0x7F]) + content[place + 1 :])
    try:
        read_corpora(file)
    except AsteerError as error:
        assert str(file) in str(error)
"""


def test_a_corpus_with_any_one_byte_changed_gives_rows_or_an_error_and_ends_the_process_nearly_never(tmp_path, figure):
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"prompt": ["a", "b"] * 20, "response": ["c", "d"] * 20, "n": [1, None] * 20}).write_parquet(whole)
    size, place, ended = len(whole.read_bytes()), 0, []
    while place < size:
        # In processes of their own: Polars panics while it clears up after a panic for some bytes, which no handler survives.
        reader = subprocess.run(
            [sys.executable, "-c", READER, str(tmp_path / "corpus.parquet"), str(whole), str(place)],
            capture_output=True, text=True, errors="replace", timeout=500,
        )  # fmt: skip
        last = int(reader.stdout.split()[-1])
        assert reader.returncode in (0, -signal.SIGABRT), (last, reader.stderr[-2000:])
        ended += [last] if reader.returncode else []
        place = last + 1
    assert len(ended) <= size // 200
    figure("bytes of a parquet file whose change ends the process", len(ended), f"of {size}; the others give rows or an error")


@budget(240)
@given(data=st.data())
def test_a_judge_that_replies_anything(data):
    valid = '{"ticket": "abc", "success": 2, "coherence": 1}'
    text = data.draw(st.text(max_size=40) | corrupted(valid.encode()).map(lambda content: content.decode(errors="replace")) | changed(
        {"ticket": "abc", "success": 2, "coherence": 1}).map(json.dumps))  # fmt: skip

    def read():
        try:
            found = read_reply(text, "abc")
        except UnreadableReply as error:
            return error
        assert found.success in (0, 1, 2) and found.coherence in (0, 1, 2)
        return found

    assert isinstance(ends("judge reply", read), (Grades, UnreadableReply))


@pytest.fixture(scope="module")
def vector(tmp_path_factory):
    """The bytes of a plain safetensors file of directions, and of a GGUF control vector."""
    from safetensors.numpy import save

    from asteer_core.vector_files.control_vector import write_control_vector

    arrays = {block: np.arange(1, 9, dtype=np.float32) for block in (1, 2)}
    file = tmp_path_factory.mktemp("vector") / "v.gguf"
    write_control_vector(file, arrays, "neox")
    return {"safetensors": save({f"direction.{block}": array for block, array in arrays.items()}), "gguf": file.read_bytes()}


@budget(240)
@given(data=st.data(), kind=st.sampled_from(["safetensors", "gguf"]))
def test_a_vector_file_of_any_bytes(tmp_path, vector, data, kind):
    (tmp_path / "v").write_bytes(data.draw(corrupted(vector[kind])))

    def read():
        found = read_directions(tmp_path / "v")
        assert all(np.isfinite(array).all() for array in found.by_block.values())

    ends("vector file", read, str(tmp_path / "v"))


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(data_root() / "models" / "neox-2m", local_files_only=True, trust_remote_code=False)


TEMPLATE = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
ATTACKS = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.__class__.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{{ messages.append(1) }}", "{{ messages[0].clear() }}",
    "{% include '/etc/passwd' %}", "{{ lipsum.__globals__ }}",
    "{% for a in range(10**12) %}x{% endfor %}", "{{ raise_exception('no') }}", "{{ 1/0 }}", "{{ messages[9].x }}", "{{ 'x' * 10**12 }}",
    "{{ messages | map(attribute='__class__') | list }}", "{% set x = messages.pop() %}", "{{ undefined.name }}", "{%", "{{ self }}",
)  # fmt: skip


@budget(160)
@given(data=st.data())
def test_a_chat_template_of_any_text(tokenizer, data):
    from asteer_core.model.prompts import Prompter

    tokenizer.chat_template = data.draw(
        st.sampled_from(ATTACKS) | corrupted(TEMPLATE.encode()).map(lambda content: content.decode(errors="replace")) | st.text(max_size=30)
    )

    def render():
        text = Prompter(tokenizer).text("asked", data.draw(st.none() | words))
        assert "root:" not in text and "uid=" not in text and "<class" not in text
        return text

    ends("chat template", render, "template", "prompt")


@budget(80)
@given(
    sql=words
    | st.sampled_from(["SELECT 1", "FROM about", "DROP TABLE about", "COPY about TO '/tmp/x.csv'", "ATTACH 'x'", "SELECT 1; SELECT 2"])
)
def test_sql_of_any_text(tmp_path_factory, sql):
    warehouse = tmp_path_factory.getbasetemp() / "fuzz.duckdb"
    if not warehouse.exists():
        publish({}, warehouse)
    before = warehouse.read_bytes()
    found = ends("SQL", lambda: query(sql, warehouse))
    assert isinstance(found, (pl.DataFrame, AsteerError)) and warehouse.read_bytes() == before


@pytest.mark.parametrize("name", [name for name in NASTY if name not in ("null", "1e999")])
def test_no_study_name_reaches_sql_or_leaves_the_store(tmp_path, name):
    assert isinstance(ends("name", lambda: publish({name: tmp_path}, tmp_path / "w.duckdb"), "study name"), ConfigError)
    assert not (tmp_path / "w.duckdb").exists()


def test_a_row_of_ten_megabytes_is_refused_or_taken_at_once(tmp_path):
    long = "x" * 10_000_000
    began = time.monotonic()
    (tmp_path / "judge.jsonl").write_text(json.dumps({**ROWS[0], "response": long}) + "\n")
    with pytest.raises(DataError, match=r"judge.jsonl, line 1: response has 10000000 characters"):
        read_rows(tmp_path / "judge.jsonl", JUDGE)
    (tmp_path / "pairs.jsonl").write_text(long)
    with pytest.raises(DataError, match=r"pairs.jsonl, line 1") as raised:
        read_rows(tmp_path / "pairs.jsonl", PAIRS)
    assert len(str(raised.value)) < 1000
    pl.DataFrame([*RECORDS, {"text": long, "asked": "q", "label": 1, "set": "train"}]).write_csv(tmp_path / "rows.csv")
    assert read_dataset(spec_of(tmp_path, "csv", splits={"train": "train"}, use=["train"])).dropped == {"more than 20,000 characters": 1}
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"prompt": "p", "response": long}) + "\n")
    assert read_corpora(tmp_path / "corpus.jsonl")[0].responses == [long]
    with pytest.raises(UnreadableReply, match="too long"):
        read_reply("{" * 10_000_000, "x")
    (tmp_path / "v").write_bytes(struct.pack("<Q", 10_000_000) + long.encode())
    assert isinstance(ends("vector file", lambda: read_directions(tmp_path / "v"), "v"), AsteerError)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": long}))
    from asteer_core.study import load_study

    assert len(str(ends("study file", lambda: load_study(tmp_path / "study.yaml", tmp_path), "study.yaml"))) < 2000
    assert time.monotonic() - began < 60


@budget(60)
@given(value=values)
def test_a_corpus_row_of_any_value(tmp_path, value):
    (tmp_path / "corpus.json").write_text(json.dumps([value]))
    ends("corpus", lambda: read_corpora(tmp_path / "corpus.json"), "corpus.json")


def test_the_contract_notices_a_traceback_and_a_missing_location():
    with pytest.raises(KeyError):
        ends("self-test", lambda: {}["x"])

    def silent():
        raise ModelError("something is wrong")

    with pytest.raises(AssertionError, match="no location"):
        ends("self-test", silent, "file.yaml")
