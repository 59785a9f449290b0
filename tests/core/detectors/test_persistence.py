"""A saved detector scores as it did, its threshold keeps the rate asked for, and a broken or foreign folder is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asteer_core.detectors import Aids, DetectorCard, choose_kind, evaluate, read_detector, save_detector, threshold
from asteer_core.detectors.cards import Result, Training
from asteer_core.detectors.persistence import rate_interval
from asteer_core.errors import ConfigError, StoreError
from tests.core.detectors.conftest import planted_texts

OPTIONS = {"tfidf": {}, "embedding": {}, "activation_probe": {"model": "tiny"}, "encoder": {"epochs": 1, "device": "cpu"}}


def card(kind="tfidf", options=None, **changes):
    made = {
        "name": "rude",
        "kind": kind,
        "options": options or {},
        "training": Training(concept="toxicity", n_positives=60, n_negatives=60),
    }
    return DetectorCard(**(made | changes))


@pytest.fixture
def fitted(rng):
    texts, labels = planted_texts(rng, 120)
    return choose_kind("tfidf").fit(texts, labels, rng), texts, labels


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_kind_scores_after_reading_as_before(kind, rng, tmp_path, tiny_encoder):
    texts, labels = planted_texts(rng, 60)
    options = OPTIONS[kind] | ({"model": str(tiny_encoder)} if kind == "encoder" else {})
    found = choose_kind(kind, options).fit(texts, labels, np.random.default_rng(0), Aids((texts, labels)))
    save_detector(tmp_path / "d", found, card(kind, options), (found.score(texts), labels))
    again = read_detector(tmp_path / "d")
    np.testing.assert_allclose(again.detector.score(texts), found.score(texts), atol=1e-6)
    assert again.card.kind == kind and (again.validation_labels == labels).all()
    assert not [path.name for path in (tmp_path / "d").rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".joblib", ".py")]


def test_the_card_tells_data_results_use_limits_and_what_to_expect(fitted, tmp_path):
    found, texts, labels = fitted
    measures = evaluate(labels, found.score(texts), np.arange(120), np.random.default_rng(0), 50)
    results = (Result(test_set="real.jsonl", measures=measures), Result(test_set="elsewhere", domain="out", measures=measures))
    save_detector(tmp_path / "d", found, card(results=results, audits={"length_auroc": 0.5, "flags": ""}))
    text = (tmp_path / "d" / "README.md").read_text()
    for heading in ("Training data", "Results", "Audits", "Intended use", "Limits", "Harmful content", "Licence"):
        assert f"## {heading}" in text
    assert f"{measures['auroc']:.3f} [{measures['auroc_lo']:.3f}, {measures['auroc_hi']:.3f}]" in text and "| elsewhere | out |" in text
    assert all(word not in text for word in texts.texts)


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.3])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(fitted, tmp_path, fpr):
    found, *_ = fitted
    rng = np.random.default_rng(1)
    scores, labels = rng.random(500).round(2), np.arange(500) % 2  # many ties
    saved = read_detector(save_detector(tmp_path / "d", found, card(), (scores, labels)))
    chosen = threshold(saved, fpr)
    negatives = scores[labels == 0]
    assert (negatives >= chosen["threshold"]).mean() == chosen["reached"] <= fpr < chosen["fpr_hi"]
    below = negatives[negatives < chosen["threshold"]].max()
    assert (negatives >= below).mean() > fpr
    assert chosen["tpr"] == (scores[labels == 1] >= chosen["threshold"]).mean()


def test_a_threshold_needs_a_rate_and_negatives(fitted, tmp_path):
    found, *_ = fitted
    saved = read_detector(save_detector(tmp_path / "d", found, card()))
    with pytest.raises(StoreError, match="without validation negatives; give a threshold"):
        threshold(saved, 0.01)
    with pytest.raises(ConfigError, match="false-positive rate 1.5"):
        threshold(saved, 1.5)


def test_so_few_negatives_show_no_rate_below_one_of_them(fitted, tmp_path):
    found, *_ = fitted
    scores, labels = np.linspace(0, 1, 80), np.arange(80) % 2
    saved = read_detector(save_detector(tmp_path / "d", found, card(), (scores, labels)))
    with pytest.raises(
        ConfigError, match=r"has 40 validation negatives, which cannot show a false-positive rate of 0.02: .* Ask for 0.025 "
    ):
        threshold(saved, 0.02)
    assert threshold(saved, 0.025)["reached"] == threshold(saved)["reached"] == 0.025 and threshold(saved)["fpr"] == 0.025
    assert threshold(saved, 0)["reached"] == 0
    many = read_detector(save_detector(tmp_path / "many", found, card(), (np.linspace(0, 1, 1000), np.arange(1000) % 2)))
    assert threshold(many)["fpr"] == 0.01 and threshold(many)["reached"] == 0.01


@pytest.mark.parametrize("positive", [0.9, 0.5 + 4e-7])
def test_a_negative_that_rounding_lifts_in_another_batch_is_still_not_flagged(fitted, tmp_path, positive):
    found, *_ = fitted
    scores, labels = np.array([0.1, 0.5, positive]), np.array([0, 0, 1])
    chosen = threshold(read_detector(save_detector(tmp_path / "d", found, card(), (scores, labels))), 0)
    assert 0.5 + 1e-7 < chosen["threshold"] <= positive and chosen["tpr"] == 1


def test_the_upper_end_of_the_rate_is_the_exact_one(fitted, tmp_path):
    from scipy.stats import binom

    found, *_ = fitted
    saved = read_detector(save_detector(tmp_path / "d", found, card(), (np.linspace(0, 1, 200), np.arange(200) % 2)))
    chosen = threshold(saved, 0.05)
    assert chosen["n_negatives"] == 100 and binom.cdf(5, 100, chosen["fpr_hi"]) == pytest.approx(0.025, abs=1e-9)
    lo, hi = rate_interval(5, 100)
    assert hi == chosen["fpr_hi"] and binom.sf(4, 100, lo) == pytest.approx(0.025, abs=1e-9)
    assert rate_interval(0, 10)[0] == 0 and rate_interval(10, 10)[1] == 1


def test_texts_that_the_detector_could_not_read_are_not_among_the_validation_scores(fitted, tmp_path):
    found, *_ = fitted
    scores = np.where(np.arange(40) < 4, np.nan, 0.5)
    saved = read_detector(save_detector(tmp_path / "d", found, card(), (scores, np.arange(40) % 2)))
    assert len(saved.validation_scores) == len(saved.validation_labels) == 36


def test_nothing_but_a_detector_is_replaced_and_only_when_asked(fitted, tmp_path):
    found, *_ = fitted
    save_detector(tmp_path / "d", found, card())
    with pytest.raises(StoreError, match="a detector is there already"):
        save_detector(tmp_path / "d", found, card())
    save_detector(tmp_path / "d", found, card(name="second"), overwrite=True)
    assert read_detector(tmp_path / "d").card.name == "second" and [path.name for path in tmp_path.iterdir()] == ["d"]
    (tmp_path / "mine").mkdir()
    for there in ("", '{"datasets": []}'):
        if there:
            (tmp_path / "mine" / "card.json").write_text(there)
        with pytest.raises(StoreError, match="holds no detector"):
            save_detector(tmp_path / "mine", found, card(), overwrite=True)


def test_a_detector_that_cannot_be_replaced_stays(fitted, tmp_path, monkeypatch):
    found, *_ = fitted
    save_detector(tmp_path / "d", found, card())
    monkeypatch.setattr("pathlib.Path.write_text", lambda *given, **named: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(StoreError, match="cannot be written .disk full."):
        save_detector(tmp_path / "d", found, card(name="second"), overwrite=True)
    assert read_detector(tmp_path / "d").card.name == "rude" and [path.name for path in tmp_path.iterdir()] == ["d"]


def change_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "card.json").unlink(), "no detector here"),
        (lambda d: (d / "card.json").write_text("{"), "not the card of a detector"),
        (lambda d: (d / "card.json").write_text(" " * (1 << 21)), "bytes; a card has at most"),
        (lambda d: change_card(d, kind="os.system"), "unknown detector 'os.system'"),
        (lambda d: change_card(d, options={"run": "this"}), "unknown option 'run'"),
        (lambda d: change_card(d, surprise=1), "surprise"),
        (lambda d: change_card(d, kind="embedding"), "does not hold embedding detector but tfidf detector"),
        (lambda d: (d / "detector.safetensors").write_bytes(b"\x80\x04K\x01."), "not a readable safetensors file"),
        (lambda d: (d / "detector.safetensors").unlink(), "no such file"),
        (lambda d: (d / "validation.safetensors").write_bytes(b""), "not a readable safetensors file"),
    ],
)
def test_a_broken_folder_is_refused_by_name(fitted, tmp_path, damage, message):
    found, texts, labels = fitted
    folder = save_detector(tmp_path / "d", found, card(), (found.score(texts), labels))
    damage(folder)
    with pytest.raises(StoreError, match=message):
        read_detector(folder)


@pytest.mark.parametrize("name", ["adapter_config.json", "modeling_evil.py", "pytorch_model.bin"])
def test_a_foreign_file_beside_the_encoder_is_refused(rng, tmp_path, tiny_encoder, name):
    texts, labels = planted_texts(rng, 40)
    options = {"model": str(tiny_encoder), "epochs": 1, "device": "cpu"}
    found = choose_kind("encoder", options).fit(texts, labels, rng, Aids((texts, labels)))
    folder = save_detector(tmp_path / "d", found, card("encoder", options))
    (folder / "encoder" / name).write_text("{}")
    with pytest.raises(StoreError, match=f"holds {name}"):
        read_detector(folder)


def test_weights_that_are_not_numbers_are_refused(fitted, tmp_path):
    from asteer_core.detectors.tfidf import TfidfDetector

    found, *_ = fitted
    broken = TfidfDetector(found.columns, found.idf, found.weights * np.nan, found.bias)
    with pytest.raises(StoreError, match="weights is missing or not a row of finite numbers"):
        read_detector(save_detector(tmp_path / "d", broken, card()))
