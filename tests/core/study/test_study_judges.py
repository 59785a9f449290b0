"""A study with each judge that is asked: what is stored, what a fault of the judge costs, and what a change of it makes again."""

import importlib
import json
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model.fingerprints import spec_fingerprint
from asteer_core.study import PartialFailure, Workspace, judge_tools, parse_study, run_line
from asteer_core.warehouse import query
from tests.core.judges.conftest import Endpoint, completion, ticket, verdict

STUDY = {
    "name": "judged",
    "concepts": ["toxicity"],
    "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [1], "strengths": [0.2, 0.4]}],
    "controls": {"templates": 1, "random": None},
    "sampling": {"max_new_tokens": 16},
    "size": {"prompts": 16},
    "metrics": {"m": 8, "subsamples": 2},
    "detectors": {"kinds": ["tfidf"], "seeds": 1, "bootstrap": 50},
}
RESPONSES = 16 * 4
"""Two steered corpora, the unsteered and the prompted one."""


@pytest.fixture(scope="module")
def home(tmp_path_factory, small_data) -> Path:
    """A home with the corpora of the study, judged by nobody yet."""
    root = tmp_path_factory.mktemp("home")
    list(run_line(Workspace(parse_study(STUDY, "s"), root, small_data), until="steered_corpora"))
    return root


@pytest.fixture
def opened(home, small_data, tmp_path):
    """Opens the study with a judge in a home of its own that has the corpora."""
    import shutil

    shutil.copytree(home, tmp_path / "home")

    def build(**judge) -> Workspace:
        return Workspace(parse_study({**STUDY, "judge": judge}, "s"), tmp_path / "home", small_data)

    return build


def asked(endpoint: Endpoint, **more) -> dict:
    return {"kind": "openai", "base_url": endpoint.url, "model": "m", "key_env": None, "labelled": 20, "retries": 0, **more}


def measured(ws: Workspace) -> pl.DataFrame:
    return ws.store.read_many("measurements", [*ws.plan.cells, *ws.plan.pairs])


def made(said) -> Counter[str]:
    return Counter(stage for stage, done in said if not done.reused)


def test_grades_of_an_endpoint_become_success_with_nulls_counted_and_bounded(opened, endpoint):
    def script(request, number):
        number = int(ticket(request), 16)
        if number % 7 == 0:
            return 200, {}, completion("I cannot grade this.")
        return 200, {}, completion(verdict(request, 2 * (number % 2), 1))

    endpoint.script = script
    ws = opened(**asked(endpoint))
    said = list(run_line(ws))
    rows = measured(ws)
    assert rows.height == RESPONSES
    asked_about = {request["messages"][1]["content"] for request in endpoint.requests}
    for prompt, text in ws.store.read_many("responses", ws.plan.pairs).select("prompt", "text").rows():
        assert any(prompt in question and text in question for question in asked_about)
    nulls = rows.filter(pl.col("judge_probability").is_null())
    assert 0 < nulls.height < RESPONSES
    assert nulls["judge_reason"].str.starts_with("unreadable").all() and nulls["judge_coherence"].null_count() == nulls.height
    known = rows.filter(pl.col("judge_probability").is_not_null())
    assert (
        set(known["judge_probability"]) == {0.0, 1.0}
        and set(known["judge_coherence"]) == {0.5}
        and known["judge_reason"].null_count() == known.height
    )
    assert made(said)["report"] == 1
    metrics = ws.store.read_many("corpus_metrics", ws.plan.pairs)
    for row in metrics.iter_rows(named=True):
        own = rows.filter(pl.col("configuration_id") == row["configuration_id"])["judge_probability"]
        assert row["n_null"] == own.null_count() and row["success"] == pytest.approx(own.mean())
        assert row["success_lowest"] == pytest.approx(own.fill_null(0).mean()) and row["success_highest"] == pytest.approx(
            own.fill_null(1).mean()
        )
    judge = ws.store.read("judges", "toxicity").row(0, named=True)
    assert judge["judge"] == "openai" and judge["judge_model"] == "m" and judge["n"] + judge["n_null"] == 20
    labels = query("SELECT judge, count(*) AS n, count(reason) AS nulls FROM judge_labels GROUP BY judge", ws.home / "warehouse.duckdb")
    assert labels.rows() == [("openai", RESPONSES, nulls.height)]


def test_a_finished_study_asks_nothing_again_and_another_judge_makes_no_corpus_again(opened, endpoint, home):
    list(run_line(opened(**asked(endpoint)), until="corpus_metrics"))
    number = len(endpoint.requests)
    assert not made(
        run_line(opened(**asked(endpoint, concurrency=2, budget=5.0, input_price=1.0, output_price=1.0)), until="corpus_metrics")
    )
    # The same questions in another reply format are new; those of the first are in the cache when it comes back.
    again = made(run_line(opened(**asked(endpoint, reply_format="text")), until="corpus_metrics"))
    assert again["judges"] == 1 and again["measurements"] == 2 and again["steered_corpora"] == again["baseline_corpora"] == 0
    twice = len(endpoint.requests)
    assert twice == 2 * number
    back = made(run_line(opened(**asked(endpoint)), until="corpus_metrics"))
    assert back["measurements"] == 2 and len(endpoint.requests) == twice


def test_an_endpoint_that_goes_down_stops_being_asked_and_the_next_run_asks_for_the_rest(opened, endpoint, monkeypatch):
    # Two lots of steered corpora; the endpoint goes down in the first, after the labelled rows and the baselines.
    monkeypatch.setattr(importlib.import_module("asteer_core.study.stages.measurements"), "PARTITIONS_AT_ONCE", 1)
    answers = 20 + 2 * 16 + 5
    gone = threading.Event()

    def script(request, number):
        if gone.is_set() or number >= answers:
            gone.set()
            return 500, {}, b"{}"
        return 200, {}, completion(verdict(request))

    endpoint.script = script
    with pytest.raises(PartialFailure, match="questions in a row failed"):
        list(run_line(opened(**asked(endpoint, concurrency=1)), until="measurements"))
    paid = Counter(json.dumps(request) for request in endpoint.requests[:answers])
    assert max(paid.values()) == 1
    tried = len(endpoint.requests)
    assert tried == answers + 5  # and none for the second lot
    endpoint.script = lambda request, number: (200, {}, completion(verdict(request)))
    ws = opened(**asked(endpoint, concurrency=1))
    list(run_line(ws, until="measurements"))
    assert measured(ws)["judge_probability"].null_count() == 0
    later = {json.dumps(request) for request in endpoint.requests[tried:]}
    assert not later & set(paid)


def test_a_budget_holds_over_runs_and_says_what_is_left(opened, endpoint):
    options = {"labelled": 20, "max_calls": 45}
    with pytest.raises(PartialFailure, match=r"calls are needed, and \d+ of max_calls=45 are made; nothing was sent"):
        list(run_line(opened(**asked(endpoint, **options)), until="measurements"))
    first = len(endpoint.requests)
    assert 20 <= first <= 45
    with pytest.raises(PartialFailure, match=r"of max_calls=45 are made"):
        list(run_line(opened(**asked(endpoint, **options)), until="measurements"))
    assert len(endpoint.requests) == first
    ws = opened(**asked(endpoint, labelled=20, max_calls=200))
    list(run_line(ws, until="measurements"))
    assert measured(ws).height == RESPONSES


def test_a_missing_key_stops_a_study_before_anything_is_made_but_not_reading_it(opened, endpoint, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    ws = opened(**asked(endpoint, key_env="JUDGE_KEY"))
    with pytest.raises(ConfigError, match="JUDGE_KEY is not set"):
        next(run_line(ws))
    assert ws.plan.pairs and endpoint.requests == []


def test_the_key_is_in_nothing_that_a_study_writes(opened, endpoint, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-planted-4711")
    ws = opened(**asked(endpoint, key_env="JUDGE_KEY"))
    list(run_line(ws))
    assert all(headers["authorization"] == "Bearer sk-planted-4711" for headers in endpoint.headers)
    files = [path for path in ws.home.rglob("*") if path.is_file()]
    assert len(files) > 20 and not [path for path in files if b"sk-planted" in path.read_bytes()]


def test_a_second_language_model_judges_by_its_yes_and_no(opened, monkeypatch):
    def answer(model, prompts, yes, no):
        assert model.name == "llama-3m"
        replies = [prompt.split("<<<reply ")[1].split(">>>\n")[1].split("\n<<<end")[0] for prompt in prompts]
        return np.array([-3.0 + 6.0 * any(word in reply.lower() for word in INSULTS) for reply in replies])

    monkeypatch.setattr("asteer_core.model.answer_logodds", answer, raising=False)
    ws = opened(kind="logodds", model="llama-3m")
    list(run_line(ws, until="corpus_metrics"))
    [judge] = ws.store.read("judges", "toxicity").iter_rows(named=True)
    assert judge["judge_model"] == "llama-3m" and judge["auroc"] > 0.6 and judge["n"] == 120
    success = measured(ws)["judge_probability"]
    assert success.null_count() == 0 and success.n_unique() == 2


INSULTS = ("stupid", "idiot", "fool", "joke", "dumb", "blockhead", "loser", "useless", "nobody", "hate", "disgust", "pathetic")


def test_a_model_that_answers_no_labelled_row_is_refused_with_the_reason(opened):
    # The rubric is long for the context of the embedded model.
    with pytest.raises(PartialFailure, match=r"no verdict on any of 4 labelled rows: does not fit the judge model's context \(4\)"):
        list(run_line(opened(kind="logodds", model="llama-3m", calibration="none", labelled=4), until="judges"))
    # Nobody asked how good it is: then each reply is null with the reason.
    ws = opened(kind="logodds", model="llama-3m", calibration="none", labelled=0)
    list(run_line(ws, until="measurements"))
    rows = measured(ws)
    null = rows["judge_probability"].is_null()
    assert null.any() and (rows["judge_reason"].is_not_null() == null).all()


def test_what_a_guard_lacks_is_said_before_anything_runs(opened, tmp_path):
    from asteer_core.model.classifier import SequenceClassifier
    from tests.core.judges.test_guard import module, tokenizer

    with pytest.raises(ModelError, match=r"model 'nothere': no folder '\./nothere' under"):
        opened(kind="guard", source="./nothere", violating=["a"]).check_before_running()
    SequenceClassifier("g", module(), tokenizer()).save(tmp_path / "guard")
    label = SequenceClassifier("g", module(), tokenizer()).labels[0]
    ws = opened(kind="guard", source=str(tmp_path / "guard"), violating=[f"{label}x"])
    with pytest.raises(ConfigError, match=f"Did you mean '{label}'"):
        ws.check_before_running()
    opened(kind="guard", source=str(tmp_path / "guard"), violating=[label]).check_before_running()


def test_the_weights_of_a_guard_are_read_once_however_often_its_hash_is_asked_for(opened, tmp_path, monkeypatch):
    from asteer_core.model.classifier import SequenceClassifier
    from tests.core.judges.test_guard import module, tokenizer

    SequenceClassifier("g", module(), tokenizer()).save(tmp_path / "guard")
    read = []
    monkeypatch.setattr(judge_tools, "spec_fingerprint", lambda spec, root: read.append(spec) or spec_fingerprint(spec, root))
    ws = opened(kind="guard", source=str(tmp_path / "guard"), violating=["a"])
    first = [ws.judge_tools.classifier_identity(str(tmp_path / "guard"), None, False) for _ in range(3)]
    assert len(set(first)) == 1 and len(read) == 1


def test_a_model_is_not_asked_about_its_own_replies(opened):
    with pytest.raises(ConfigError, match="poor judge of its own replies"):
        opened(kind="logodds", model="neox-2m")
    with pytest.raises(ConfigError, match="Did you mean 'llama-3m'"):
        opened(kind="logodds", model="llama3m")


def test_a_classifier_from_a_folder_judges_and_new_weights_are_noticed(opened, tmp_path):
    from asteer_core.model.classifier import SequenceClassifier
    from tests.core.judges.test_guard import module, tokenizer

    SequenceClassifier("g", module(), tokenizer()).save(tmp_path / "guard")
    labels = list(SequenceClassifier("g", module(), tokenizer()).labels)
    choice = {"kind": "guard", "source": str(tmp_path / "guard"), "violating": labels[:1], "calibration": "none"}
    ws = opened(**choice)
    list(run_line(ws, until="corpus_metrics"))
    assert measured(ws)["judge_probability"].is_between(0, 1).all()
    assert not made(run_line(opened(**choice), until="corpus_metrics"))
    # Names of labels are what a verdict is made of, and they are not in the weights.
    config = tmp_path / "guard" / "config.json"
    config.write_text(
        config.read_text().replace(f'"{labels[0]}"', '"@"').replace(f'"{labels[1]}"', f'"{labels[0]}"').replace("@", labels[1])
    )
    assert made(run_line(opened(**choice), until="measurements"))["measurements"] == 2
