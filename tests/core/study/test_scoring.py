"""Scores of files without a study: what is read, what is undefined and why, intervals, and texts that a reader would call broken."""

import gc
import json
import os
import re
import weakref
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import asteer_core
from asteer_core.errors import ConfigError, DataError
from asteer_core.judges import EmbeddedJudge
from asteer_core.metrics.combination import harmonic
from asteer_core.metrics.intervals import RESPONSE_MEANS, mean_draws
from asteer_core.model import SentenceEncoder
from asteer_core.study.corpus_file import Columns, read_corpora
from asteer_core.study.instruments import Instruments
from asteer_core.study.scoring import compare_files, score_configurations, score_file

ROOT = Path(__file__).resolve().parents[3]
M = 8


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """One folder of caches, so that each text is encoded once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _small(small_data, monkeypatch) -> None:
    monkeypatch.setenv("ASTEER_DATA", str(small_data))


@pytest.fixture
def real(small_data) -> pl.DataFrame:
    """Prompts and responses of both labels, 20 each."""
    frame = pl.read_ndjson(small_data / "concepts" / "toxicity" / "real.jsonl").filter(pl.col("split") == "test")
    parts = [frame.filter(pl.col("label") == label).head(20) for label in (0, 1)]
    return pl.concat(parts).select("prompt", "response", configuration=pl.col("label").cast(pl.String))


def test_every_kind_of_file_gives_the_same_rows(tmp_path):
    rows = [{"prompt": "1", "response": 'a, "b"\nc'}, {"prompt": "é", "response": ""}]
    frame = pl.DataFrame(rows)
    frame.write_ndjson(tmp_path / "a.jsonl")
    # Written by hand: most writers leave an empty field without quotes.
    (tmp_path / "a.csv").write_text('prompt,response,configuration\n1,"a, ""b""\nc",\né,,\n')
    frame.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(rows))
    for kind in ("jsonl", "csv", "parquet", "json"):
        (corpus,) = read_corpora(tmp_path / f"a.{kind}")
        assert corpus.prompts == ["1", "é"] and corpus.responses == ['a, "b"\nc', ""] and corpus.configuration is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", '{"prompt": "p", "response": "r"}\nnot json secret\n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"prompt": "p", "response": "r"}\n{"prompt": "p"}\n', "a.jsonl, row 2: no column 'response'"),
        ("a.jsonl", '{"prompt": "p", "response": null}\n', "a.jsonl, row 1: response is missing"),
        ("a.jsonl", '{"prompt": "p", "response": 3}\n', "a.jsonl, row 1: response is int"),
        ("a.jsonl", '{"prompt": "p", "response": "\\ud800"}\n', "a.jsonl, row 1: response holds half of a surrogate pair"),
        ("a.jsonl", "[1]\n", "a.jsonl, line 1: a JSON list"),
        ("a.jsonl", "\n", "no rows"),
        ("a.json", '{"prompt": "p"}', "expected a list of objects"),
        ("a.csv", "prompt,answer\np,r\n", "a.csv, row 1: no column 'response'; has 'prompt', 'answer'"),
        ("a.parquet", "PAR1", "a.parquet: cannot be read as parquet"),
        ("a.txt", "p", "unknown kind of file '.txt'"),
    ],
)
def test_an_error_names_file_and_row_and_quotes_no_text(name, content, says, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=re.escape(says)) as caught:
        read_corpora(tmp_path / name)
    assert "secret" not in str(caught.value)


def test_a_missing_file_and_an_unknown_scorer_or_concept_are_errors(home, real):
    with pytest.raises(DataError, match="no such file"):
        score_file("nowhere.jsonl", home=home)
    with pytest.raises(ConfigError, match="unknown scorer 'neox-2n'. Did you mean 'neox-2m'"):
        score_file(real, home=home, model_scorer="neox-2n")
    with pytest.raises(ConfigError, match="Did you mean 'toxicity'"):
        score_file(real, home=home, concept="toxicty")


def test_columns_are_named_by_option_and_configurations_are_corpora():
    frame = pl.DataFrame({"q": ["1", "2", "3"], "a": ["x", "y", "z"], "arm": ["b", "a", "b"]})
    found = read_corpora(frame, Columns("q", "a", "arm"))
    assert [(corpus.configuration, corpus.prompts) for corpus in found] == [("b", ["1", "3"]), ("a", ["2"])]


def test_without_a_concept_success_and_hm_are_undefined_and_hm_of_c_and_d_has_its_own_name(home, real):
    scored = score_file(real, home=home, m=M)
    values = scored.values
    assert values["success"] is None and values["hm"] is None and values["hm_sc"] is None
    assert scored.reasons["success"] == scored.reasons["hm"] == "no concept was named, so no judge was asked"
    assert values["hm_cd"] == harmonic(values["coherence"], values["diversity"]) > 0
    assert scored.reference == "the corpus itself" and scored.intervals["success"] == (None, None)
    low, high = scored.intervals["coherence"]
    assert low < values["coherence"] < high
    assert all(scored.reasons.get(name) for name, value in values.items() if value is None)


def test_a_concepts_judge_is_fitted_once_and_tells_violating_rows(home, real, monkeypatch):
    compliant, violating = score_configurations(real, home=home, m=M, concept="toxicity")
    assert violating.values["success"] > compliant.values["success"] + 0.1
    assert violating.values["hm"] is not None and violating.intervals["success"][0] < violating.values["success"]
    monkeypatch.setattr(EmbeddedJudge, "fit", None)
    again = score_configurations(real, home=home, m=M, concept="toxicity")
    assert [corpus.values for corpus in again] == [compliant.values, violating.values]


def test_a_configuration_scores_as_it_does_in_a_file_of_its_own(home, real, tmp_path):
    _, violating = score_configurations(real, home=home, m=M, reference=real)
    real.filter(configuration="1").write_ndjson(tmp_path / "one.jsonl")
    alone = score_file(tmp_path / "one.jsonl", home=home, m=M, reference=real)
    assert alone.values == violating.values and alone.configuration == "1" and alone.reference == "frame"


def test_a_corpus_differs_from_itself_by_nothing_and_pairs_narrow_the_interval(home, real):
    same = compare_files(real, real, home=home, m=M)
    assert same.paired and set(same.differences.values()) <= {0.0, None}
    assert same.intervals["coherence"] == same.intervals["diversity"] == same.intervals["hm_cd"] == (0.0, 0.0)
    assert same.intervals["hm"] == (None, None)
    halves = [real.filter(configuration=label) for label in ("0", "1")]
    apart = compare_files(*halves, home=home, m=M, reference=real)
    assert not apart.paired
    assert apart.differences["coherence"] == pytest.approx(apart.b.values["coherence"] - apart.a.values["coherence"])
    for name in ("coherence", "sample_diversity", "set_diversity", "diversity", "hm_cd"):
        low, high = apart.intervals[name]
        assert low < apart.differences[name] < high, name


def test_the_same_prompts_are_left_out_of_both_corpora_and_independent_ones_are_not_paired(home, real):
    fifth = pl.when(pl.int_range(pl.len()) % 5 == 0)
    other = real.with_columns(response=fifth.then(pl.col("response") + " And that is all there is.").otherwise("response"))
    elsewhere = other.with_columns(prompt="Please: " + pl.col("prompt"))
    # Rows in another order are the same corpus over the same prompts.
    together = compare_files(real, other.reverse(), home=home, m=M)
    apart = compare_files(real, elsewhere, home=home, m=M, reference=real)
    assert together.paired and not apart.paired
    for name in ("set_diversity", "diversity"):
        width = {key: found.intervals[name][1] - found.intervals[name][0] for key, found in (("t", together), ("a", apart))}
        assert width["t"] < 0.5 * width["a"], (name, width)


def test_further_metrics_are_scored_by_name_and_real_texts_are_the_concepts(home, real):
    names = ["mtld", "compression_ratio", "coverage"]
    bare = score_file(real, home=home, m=M, alternatives=names)
    assert bare.alternatives == tuple(names) and bare.values["mtld"] > 1 < bare.values["compression_ratio"]
    assert bare.values["coverage"] is None and "real texts" in bare.reasons["coverage"]
    judged = score_file(real, home=home, m=M, alternatives=names, concept="toxicity")
    assert 0 < judged.values["coverage"] <= 1 and judged.values["mtld"] == bare.values["mtld"]
    with pytest.raises(ConfigError, match="Did you mean 'mtld'"):
        score_file(real, home=home, alternatives=["mtdl"])


def test_static_embeddings_score_a_corpus_without_the_encoder_and_say_so(home, real, with_static_table, monkeypatch):
    plain = score_file(real, home=home, m=M)
    with_static_table(home)

    def refuse(*_, **__):
        raise AssertionError("the encoder was asked")

    monkeypatch.setattr(SentenceEncoder, "encode", refuse)
    scored = score_file(real, home=home, m=M, embedding="static")
    assert (plain.embedding, scored.embedding) == ("encoder", "static")
    assert scored.values["self_bleu"] == plain.values["self_bleu"] and scored.values["vendi"] != plain.values["vendi"]
    low, high = scored.intervals["diversity"]
    assert low < scored.values["diversity"] < high
    with pytest.raises(ConfigError, match="embedding='fast'"):
        score_file(real, home=home, embedding="fast")


def test_the_judge_reads_the_encoders_vectors_whatever_diversity_is_made_of(home, real, with_static_table):
    with_static_table(home)
    plain, static = (score_file(real, home=home, m=M, concept="toxicity", embedding=name).values for name in ("encoder", "static"))
    assert static["success"] == plain["success"] and static["diversity"] != plain["diversity"]


def test_too_few_texts_and_a_corpus_of_copies_are_undefined_with_a_reason(home, real):
    few = score_file(real.head(5), home=home, m=M)
    assert few.values["diversity"] is None and few.values["hm_cd"] is None and "m=8" in few.reasons["diversity"]
    copies = score_file(real.with_columns(prompt=pl.lit("Why?"), response=pl.lit("Because.")), home=home, m=M)
    assert copies.values["coherence"] is None and "cannot be its own reference" in copies.reasons["coherence"]
    assert copies.values["diversity"] < 0.2
    with pytest.raises(DataError, match="reference frame"):
        score_file(real, home=home, m=M, reference=real.head(1))


def test_intervals_resample_prompts_and_not_responses(rng):
    prompts = [f"p{number}" for number in range(30) for _ in range(10)]
    values = np.repeat(rng.normal(size=30), 10)
    values[:3] = np.nan
    responses = dict.fromkeys(RESPONSE_MEANS, values)
    draws = mean_draws(responses, prompts, np.random.default_rng(1))["coherence"]
    groups = values.reshape(30, 10)
    brute = [np.nanmean(groups[rng.integers(30, size=30)]) for _ in range(2000)]
    assert draws.std() == pytest.approx(np.std(brute), rel=0.1) and draws.mean() == pytest.approx(np.mean(brute), abs=0.03)
    assert np.isnan(mean_draws(responses, ["p"] * 300, np.random.default_rng(1))["coherence"]).all()


def test_the_package_offers_scoring():
    assert asteer_core.score_corpus is score_file
    with pytest.raises(AttributeError, match="no attribute 'score_corpse'"):
        asteer_core.score_corpse  # noqa: B018


@pytest.mark.slow
def test_over_steered_replies_of_five_models_score_far_below_their_baselines(home, monkeypatch):
    folder = Path(os.environ.get("ASTEER_SHARED_DATA") or ROOT.parent / "shared" / "data") / "refusal_direction"
    for steered in sorted(folder.glob("*__harmless_actadd_completions.json")):
        baseline = steered.with_name(steered.name.replace("actadd", "baseline"))
        frames = [pl.DataFrame(json.loads(file.read_text(encoding="utf-8"))).head(24) for file in (baseline, steered)]
        found = compare_files(*frames, home=home, m=16)
        assert found.paired
        assert found.intervals["coherence"][1] < 0, steered.name
        assert found.b.values["hm_cd"] < 0.75 * found.a.values["hm_cd"], steered.name


def test_responses_beyond_the_scorers_context_are_counted_and_nothing_is_warned(home, real, capfd):
    long = "Take the dough and fold it with care, then wait an hour while the oven heats. " * 80
    texts = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(long)).otherwise("response")
    scored = score_file(real.with_columns(response=texts), home=home, m=M)
    assert scored.values["n_cut"] == 1 and scored.values["n_null_coherence"] == 0
    assert score_file(real, home=home, m=M).values["n_cut"] == 0
    assert "sequence length" not in capfd.readouterr().err


def test_instruments_go_with_their_last_name(home):
    tools = Instruments(home)
    gc.disable()
    try:
        tools.judge("toxicity")
        tools.nll(["p"], ["r"])
        gone = weakref.ref(tools)
        del tools
        # In a cycle they would stay, models and all, until the next collection.
        assert gone() is None
    finally:
        gc.enable()
