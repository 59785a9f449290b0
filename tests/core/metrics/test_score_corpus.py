"""A corpus's scores: deterministic, blind to row order, null with a reason where undefined."""

import dataclasses
import importlib
import linecache
import sys

import numpy as np
import pytest

from asteer_core.errors import ConfigError, DataError
from asteer_core.metrics import METRIC_VERSION, METRICS, Measured, Metric, MetricSettings, Reference, score_corpus

REFERENCE = Reference(nll_location=2.0, nll_scale=0.5, random_cosine=0.1, matched_cosine=0.6)
QUICK = MetricSettings(subsample_size=12, subsamples=5)
VOCABULARY = "river stone tram candle window market lemon thunder paper violin harbour clock garden winter copper silence"


def corpus(n=24, seed=0, **changes):
    rng = np.random.default_rng(seed)
    measured = Measured(
        texts=[" ".join(rng.choice(VOCABULARY.split(), 14)) + "." for _ in range(n)],
        prompt_ids=[f"p{i:03d}" for i in range(n)],
        judge_probability=rng.uniform(size=n),
        nll=rng.normal(2, 0.4, n),
        relevance_cosine=rng.uniform(0.1, 0.8, n),
        embeddings=rng.standard_normal((n, 16)).astype(np.float32),
    )
    return dataclasses.replace(measured, **changes)


def score(measured, settings=QUICK, reference=REFERENCE, seed=0):
    return score_corpus(measured, reference, settings, np.random.default_rng(seed))


def test_a_complete_corpus_has_no_null():
    scores = score(corpus())
    assert scores.reasons == {}
    assert None not in scores.corpus.values()
    assert scores.version == METRIC_VERSION
    for name in ("success", "coherence", "diversity", "hm", "hm_sc", "am", "gm", "min", "min_sc", "set_diversity", "sample_diversity"):
        assert 0 < scores.corpus[name] <= 1, name
    assert 1 <= scores.corpus["vendi"] <= 12


def test_corpus_values_follow_from_the_responses():
    scores = score(corpus())
    values, rows = scores.corpus, scores.responses
    np.testing.assert_allclose(rows["coherence"], rows["fluency"] * (1 - rows["rep4"]) * rows["relevance"])
    assert values["coherence"] == pytest.approx(rows["coherence"].mean())
    assert values["sample_diversity"] == pytest.approx((rows["mattr"] * (1 - rows["rep4"])).mean())
    assert values["diversity"] == pytest.approx(np.sqrt(values["sample_diversity"] * values["set_diversity"]))
    assert values["hm"] == pytest.approx(3 / (1 / values["success"] + 1 / values["coherence"] + 1 / values["diversity"]))
    assert values["mean_length"] == 14


def test_the_same_generator_state_gives_the_same_numbers_and_another_gives_others():
    assert score(corpus()).corpus == score(corpus()).corpus
    assert score(corpus(), seed=1).corpus["vendi"] != score(corpus()).corpus["vendi"]


def test_the_order_of_rows_does_not_matter():
    plain = corpus()
    order = np.random.default_rng(3).permutation(24)
    shuffled = Measured(
        [plain.texts[i] for i in order], [plain.prompt_ids[i] for i in order],
        plain.judge_probability[order], plain.nll[order], plain.relevance_cosine[order], plain.embeddings[order],
    )  # fmt: skip
    for name, value in score(plain).corpus.items():
        assert score(shuffled).corpus[name] == pytest.approx(value), name


def test_fewer_texts_than_m_leave_diversity_null_with_the_reason_and_the_rest_defined():
    scores = score(corpus(n=10))
    for name in ("vendi", "self_bleu", "set_diversity", "diversity", "hm"):
        assert scores.corpus[name] is None
        assert "10 texts, fewer than the subsample size m=12" in scores.reasons[name]
    assert scores.corpus["hm_sc"] > 0


def test_exactly_m_texts_are_one_subsample():
    assert score(corpus(n=12), seed=1).corpus == score(corpus(n=12), seed=2).corpus


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"judge_probability": None}, "success", "no judge"),
        ({"judge_probability": np.full(24, np.nan)}, "success", "no verdict"),
        ({"nll": None}, "coherence", "missing for every response"),
        ({"embeddings": None}, "set_diversity", "not measured"),
        ({"embeddings": np.zeros((24, 4))}, "vendi", "24 of 24 rows"),
    ],
)
def test_what_was_not_measured_is_null_with_a_reason(changes, name, reason):
    scores = score(corpus(**changes))
    assert scores.corpus[name] is None
    assert reason in scores.reasons[name]
    assert reason in scores.reasons["hm"] or name == "vendi"
    assert set(scores.reasons) == {key for key, value in scores.corpus.items() if value is None}


def test_without_a_reference_coherence_is_null_even_for_empty_texts():
    scores = score(corpus(texts=[""] * 24), reference=None)
    assert scores.corpus["coherence"] is None
    assert "no reference" in scores.reasons["coherence"]


def test_a_corpus_without_rows_is_null_throughout():
    scores = score(Measured([], [], np.array([]), np.array([]), np.array([]), np.empty((0, 4))))
    assert {key for key, value in scores.corpus.items() if value is not None} == {"n", "m", "n_empty", "n_null", "n_null_coherence"}
    assert set(scores.reasons) == {key for key, value in scores.corpus.items() if value is None}


def test_nulls_of_the_judge_are_counted_and_bounded():
    plain = corpus()
    p = plain.judge_probability.copy()
    p[:6] = np.nan
    values = score(dataclasses.replace(plain, judge_probability=p)).corpus
    assert values["n_null"] == 6
    assert values["success_lowest"] < values["success"] < values["success_highest"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nll": np.zeros(3)}, "24 texts but 3 rows in nll"),
        ({"embeddings": np.ones((25, 4))}, "25 rows in embeddings"),
        ({"judge_probability": np.linspace(-1, 1, 24)}, "expected 0 to 1"),
    ],
)
def test_measurements_that_do_not_belong_together_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        corpus(**changes)


@pytest.mark.parametrize("name", ["max_tokens", "mattr_window", "subsample_size", "subsamples", "tau", "success_threshold"])
def test_settings_out_of_range_are_refused(name):
    with pytest.raises(ConfigError, match=name):
        MetricSettings(**{name: 0})


def test_settings_with_other_numbers_have_another_fingerprint():
    assert MetricSettings().fingerprint == MetricSettings().fingerprint != MetricSettings(tau=2.0).fingerprint


@pytest.mark.parametrize("name", METRICS.names())
def test_every_registered_metric_can_be_added_by_name(name):
    real = np.random.default_rng(9).standard_normal((40, 16))
    settings = dataclasses.replace(QUICK, alternatives=(name,))
    assert np.isfinite(score(corpus(real_embeddings=real), settings).corpus[name])


def test_an_alternative_of_a_score_that_is_there_changes_nothing():
    plain = score(corpus())
    names = ("mattr", "rep4", "vendi", "self_bleu")
    assert score(corpus(), dataclasses.replace(QUICK, alternatives=names)).corpus == plain.corpus


def test_an_alternative_that_is_not_finite_is_null_with_a_reason(monkeypatch):
    METRICS.names()
    monkeypatch.setitem(METRICS._objects, "broken", Metric("broken", lambda corpus: float("nan"), "corpus", True))
    scores = score(corpus(), dataclasses.replace(QUICK, alternatives=("broken",)))
    assert scores.corpus["broken"] is None and scores.reasons["broken"] == "the metric's mean over the subsamples is nan"


def test_nothing_beyond_the_token_limit_counts():
    plain = corpus(texts=[f"{text[:-1]} tail {i} again again again again again" for i, text in enumerate(corpus().texts)])
    cut = dataclasses.replace(plain, texts=[text.rsplit(" tail", 1)[0] for text in plain.texts])
    found, expected = (score(one, dataclasses.replace(QUICK, max_tokens=14)) for one in (plain, cut))
    assert found.corpus == expected.corpus and score(plain).corpus != score(cut).corpus
    np.testing.assert_array_equal(found.responses["rep4"], expected.responses["rep4"])


def test_marks_count_as_repetition_and_not_as_words():
    dotted = score(corpus(texts=["yes ! ! ! ! ! ! !"] * 24)).responses
    assert dotted["rep4"][0] == pytest.approx(1 - 2 / 5) and dotted["n_words"][0] == 1
    assert dotted["mattr"][0] == pytest.approx(1 / 50)


def test_tau_and_the_threshold_of_the_settings_are_those_of_the_scores():
    plain = corpus(nll=np.full(24, 4.0), judge_probability=np.linspace(0.3, 0.7, 24))
    assert score(plain).corpus["fluency"] == pytest.approx(np.exp(-4.5))  # z = 4
    assert score(plain, dataclasses.replace(QUICK, tau=2.0)).corpus["fluency"] == pytest.approx(np.exp(-0.5))
    assert score(plain).corpus["success_rate"] == 0.5
    assert score(plain, dataclasses.replace(QUICK, success_threshold=0.69)).corpus["success_rate"] == pytest.approx(1 / 24)


def test_vendis_share_is_of_the_subsample_and_not_of_the_corpus():
    # 24 texts without likeness: every subsample of 12 is as diverse as 12 texts can be.
    scores = score(corpus(embeddings=np.eye(24)))
    assert scores.corpus["vendi"] == pytest.approx(12)
    assert scores.corpus["set_diversity"] == pytest.approx(np.sqrt(1 - scores.corpus["self_bleu"]))


def test_an_edited_metric_has_another_fingerprint(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for text in ("return 1.0", "return 2.0"):
        (tmp_path / "my_metric.py").write_text(f"def mine(corpus):\n    {text}\n")
        linecache.clearcache()
        sys.modules.pop("my_metric", None)
        found.append(Metric("mine", importlib.import_module("my_metric").mine, "corpus", True).fingerprint)
    assert found[0] != found[1] and METRICS.get("mtld").fingerprint == METRICS.get("mtld").fingerprint


def test_an_alternative_that_lacks_its_input_is_null_and_an_unknown_one_an_error():
    settings = dataclasses.replace(QUICK, alternatives=("vendi",))
    assert "embeddings" in score(corpus(embeddings=None), settings).reasons["vendi"]
    with pytest.raises(ConfigError, match="Did you mean 'vendi'"):
        score(corpus(), dataclasses.replace(QUICK, alternatives=("vendy",)))
