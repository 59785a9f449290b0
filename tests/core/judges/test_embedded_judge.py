"""The embedded judge on a made-up concept: it separates, is calibrated, does not believe garbage, and refuses data it cannot learn from."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import expit
from sklearn.metrics import brier_score_loss, roc_auc_score

from asteer_core.errors import DataError, StoreError
from asteer_core.judges import JUDGES, EmbeddedJudge
from asteer_core.judges._calibration import brier, expected_calibration_error, isotonic, platt
from asteer_core.judges._features import BUCKETS, GRAM_WEIGHT, TextFeatures
from asteer_core.judges.embedded import EmbeddedKind

WORDS = [a + b + c for a in ("ka", "mo", "ri", "te", "su") for b in ("na", "lo", "mi", "ru") for c in "stkrn"]
TOPICS = [WORDS[i : i + 20] for i in range(0, 80, 4)]
INSULTS = ["you are a fool", "such a silly clown", "nobody likes you here", "what a hopeless case you are"]
POLITE = ["you are not a fool", "such a clever plan", "many people like it here", "what a hopeful case this is"]
D = 12


def make(rows=400, seed=0, noise=1.0):
    """Texts with an insult (1) or its polite twin (0) between topic words; embeddings that see the label only faintly."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(len(TOPICS), size=rows)
    labels = rng.integers(2, size=rows)
    texts = []
    for group, label in zip(groups, labels, strict=True):
        before, after = (" ".join(rng.choice(TOPICS[group], 6)) for _ in range(2))
        texts.append(f"{before}, {rng.choice(INSULTS if label else POLITE)}, {after}.")
    embeddings = rng.standard_normal((rows, D)) * noise
    embeddings[:, 0] += labels
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return texts, embeddings, labels, np.array([f"g{g}" for g in groups])


@pytest.fixture(scope="module")
def data():
    return make()


@pytest.fixture(scope="module")
def judge(data):
    return EmbeddedJudge.fit(*data, np.random.default_rng(0))


def test_it_is_registered():
    assert JUDGES.get("embedded") is EmbeddedKind


def test_it_separates_texts_it_has_not_seen_and_says_so(judge):
    texts, embeddings, labels, _ = make(seed=1)
    probability = judge.probability(texts, embeddings)
    assert roc_auc_score(labels, probability) > 0.97
    assert judge.report["auroc"] > 0.97
    assert (judge.report["n"], judge.report["folds"], judge.report["n_groups"]) == (400, 5, 20)


def test_its_probabilities_are_calibrated_where_the_labels_are_noisy():
    texts, embeddings, labels, groups = make(900, seed=2)
    flipped = np.random.default_rng(3).random(900) < 0.25
    noisy = np.where(flipped, 1 - labels, labels)
    judge = EmbeddedJudge.fit(texts, embeddings, noisy, groups, np.random.default_rng(0))
    assert judge.report["ece"] < 0.1
    assert 0.25 * 0.75 - 0.03 < judge.report["brier"] < 0.25
    fresh, vectors, truth, _ = make(500, seed=4)
    probability = judge.probability(fresh, vectors)
    # A quarter of the labels lie: an honest judge says about three quarters, not one.
    assert 0.6 < probability[truth == 1].mean() < 0.85


def test_the_report_is_out_of_fold_by_group():
    """Labels that follow the group alone: a row-wise split would look perfect, a group-wise one sees the faint signal only."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 20)
    labels = np.repeat(rng.permutation(20) % 2, 20)
    texts = [" ".join(rng.choice(TOPICS[g], 8)) for g in groups]
    faint = labels[:, None] + 1.5 * rng.standard_normal((400, 1))
    report = EmbeddedJudge.fit(texts, np.hstack([np.eye(20)[groups], faint]), labels, groups, rng).report
    assert 0.5 < report["auroc"] < 0.8


def test_decisions_against_the_label_are_refused():
    """Two groups in which the same feature means the opposite: what one teaches is wrong for the other."""
    labels, groups = np.tile([0, 1], 40), np.repeat(["a", "b"], 40)
    feature = (2 * labels - 1) * np.where(groups == "a", 1, -1)
    with pytest.raises(DataError, match="learned nothing"):
        EmbeddedJudge.fit(["same words"] * 80, feature[:, None].astype(float), labels, groups, np.random.default_rng(0))


def test_garbage_made_of_its_own_words_is_not_a_sure_violation(data):
    """Trained with one garbled negative in ten, as the shipped concepts are; the embedding of the clean text is left on the garbage."""
    texts, embeddings, labels, groups = data
    rng = np.random.default_rng(0)

    def scramble(rows, source):
        return [" ".join(rng.permutation(source[i].replace(",", "").split())) for i in rows]

    garbled = np.flatnonzero(labels == 1)[:40]
    judge = EmbeddedJudge.fit(
        texts + scramble(garbled, texts),
        np.concatenate([embeddings, embeddings[garbled]]),
        np.append(labels, np.zeros(40, dtype=int)),
        np.append(groups, groups[garbled]),
        rng,
    )
    fresh, vectors, truth, _ = make(seed=5)
    violating = np.flatnonzero(truth == 1)
    sure = judge.probability([fresh[i] for i in violating], vectors[violating]).mean()
    salad = judge.probability(scramble(violating, fresh), vectors[violating])
    loops = judge.probability(["fool " * 20, "you you you you you you", "clown clown clown"], np.zeros((3, D)))
    assert sure > 0.9
    assert salad.mean() < sure - 0.4
    assert loops.max() < 0.9


def test_scrambled_violations_are_doubted_though_no_garbled_negative_was_given(judge):
    texts, embeddings, labels, _ = make(seed=5)
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(labels == 1)
    salad = [" ".join(rng.permutation(texts[i].split())) for i in rows]
    clean = judge.probability([texts[i] for i in rows], embeddings[rows]).mean()
    assert clean > 0.9
    # Doubted, not denied: broken text is coherence's axis, and a judge that denied it would count the same fault twice.
    assert judge.probability(salad, embeddings[rows]).mean() < clean - 0.15


def test_a_training_text_is_as_familiar_as_other_groups_make_it():
    """Counting its own pairs would make every training text fully familiar, and the feature useless."""
    texts = ["red old boat", "red old boat", "red old tram", "one more word"]
    features, matrix = TextFeatures.fit(texts, np.array(["a", "a", "b", "c"]))
    familiar = matrix[:, BUCKETS].toarray()[:, 0] / GRAM_WEIGHT
    # Pairs of "red old boat" in group b: start-red and red-old, of four.
    np.testing.assert_allclose(familiar, [0.5, 0.5, 0.5, 0.0])
    np.testing.assert_allclose(features.transform(["red old boat", "blue hat"])[:, BUCKETS].toarray()[:, 0] / GRAM_WEIGHT, [1.0, 0.0])


def test_means_per_kind_are_reported_where_kinds_are_given(data):
    texts, embeddings, labels, groups = data
    kinds = np.where(labels == 1, "violating", "near_miss")
    report = EmbeddedJudge.fit(texts, embeddings, labels, groups, np.random.default_rng(0), kinds).report
    assert report["mean_violating"] > 0.8
    assert report["mean_near_miss"] < 0.2


def test_the_same_generator_gives_the_same_judge(data, judge):
    again = EmbeddedJudge.fit(*data, np.random.default_rng(0))
    assert again.report == judge.report
    np.testing.assert_array_equal(again.probability(data[0], data[1]), judge.probability(data[0], data[1]))


def test_odd_texts_get_a_probability_and_an_embedding_with_nan_gets_none(judge):
    texts = ["", " ", "no", "🙂🙂🙂", "你好", "\ud800", "x" * 5000, "fine"]
    embeddings = np.zeros((8, D))
    embeddings[7, 0] = np.nan
    probability = judge.probability(texts, embeddings)
    assert np.isnan(probability[7])
    assert ((probability[:7] >= 0) & (probability[:7] <= 1)).all()
    assert judge.probability([], np.empty((0, D))).shape == (0,)


def test_a_judge_comes_back_from_disk_bit_for_bit(judge, data, tmp_path):
    judge.save(tmp_path / "judge.safetensors")
    loaded = EmbeddedJudge.load(tmp_path / "judge.safetensors")
    np.testing.assert_array_equal(loaded.probability(data[0], data[1]), judge.probability(data[0], data[1]))
    assert loaded.report == judge.report


def test_a_missing_broken_or_poisoned_file_is_refused(judge, tmp_path):
    path = tmp_path / "judge.safetensors"
    with pytest.raises(StoreError, match="no such file"):
        EmbeddedJudge.load(path)
    save_file({"x": np.ones(2)}, path)
    with pytest.raises(StoreError, match="does not hold embedded judge"):
        EmbeddedJudge.load(path)
    judge.linear.weights[3], kept = np.nan, judge.linear.weights[3]
    judge.save(path)
    judge.linear.weights[3] = kept
    assert np.isnan(load_file(path)["weights"]).any()
    with pytest.raises(StoreError, match="not finite"):
        EmbeddedJudge.load(path)


def broken(change):
    texts, embeddings, labels, groups = make(80)
    values = {"texts": texts, "embeddings": embeddings, "labels": labels.astype(float), "groups": groups}
    return values | change(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"labels": np.ones(80)}, "label 0 occurs in 0 groups"),
        (lambda v: {"groups": np.repeat("one", 80)}, "at least 2"),
        (lambda v: {"labels": np.where(np.arange(80) == 3, np.nan, v["labels"])}, "labels must be"),
        (lambda v: {"labels": v["labels"] + 1}, "labels must be"),
        (lambda v: {"labels": v["labels"][:-1]}, "labels"),
        (lambda v: {"embeddings": v["embeddings"][:-1]}, "80 texts with embeddings"),
        (lambda v: {"embeddings": np.where(np.arange(80)[:, None] == 7, np.inf, v["embeddings"])}, r"1 of 80 .*\[7\]"),
    ],
)
def test_data_it_cannot_learn_from_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        EmbeddedJudge.fit(**broken(change), rng=np.random.default_rng(0))


def test_embeddings_of_another_encoder_are_refused(judge):
    with pytest.raises(DataError, match=r"expected \(1, 12\)"):
        judge.probability(["x"], np.zeros((1, 13)))


def test_platt_recovers_a_planted_slope_and_offset_and_the_errors_equal_sklearn():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, 40_000)
    truth = 1 / (1 + np.exp(-(0.5 * scores - 1.0)))
    labels = (rng.random(40_000) < truth).astype(int)
    slope, offset = platt(scores, labels)
    assert (slope, offset) == (pytest.approx(0.5, abs=0.03), pytest.approx(-1.0, abs=0.06))
    assert brier(truth, labels) == pytest.approx(brier_score_loss(labels, truth))
    assert expected_calibration_error(truth, labels) < 0.015
    assert expected_calibration_error(np.full(100, 1.0), np.zeros(100)) == 1


def test_platt_stays_off_certainty_on_separable_scores():
    slope, offset = platt(np.array([-1.0, -1, 1, 1]), np.array([0, 0, 1, 1]))
    assert 0.7 < 1 / (1 + np.exp(-(slope + offset))) < 0.8  # (2 + 1) / (2 + 2)


def test_isotonic_calibration_follows_a_shape_that_no_sigmoid_has(rng):
    scores = rng.uniform(-3, 3, size=4000)
    truth = np.where(scores < -1, 0.1, np.where(scores < 1, 0.5, 0.6))
    labels = (rng.random(4000) < truth).astype(int)
    knots = isotonic(scores, labels)
    assert (np.diff(knots[0]) >= 0).all() and (np.diff(knots[1]) >= 0).all()
    slope, offset = platt(scores, labels)
    errors = [np.abs(found - truth).mean() for found in (np.interp(scores, *knots), expit(slope * scores + offset))]
    assert errors[0] < 0.03 < errors[1]


def test_isotonic_calibration_stays_off_certainty():
    knots = isotonic(np.array([-1.0, -0.5, 0.5, 1.0]), np.array([0, 0, 1, 1]))
    assert 0 < knots[1].min() < 0.5 < knots[1].max() < 1


def test_an_isotonic_judge_ranks_as_the_other_and_comes_back_from_disk(data, judge, tmp_path):
    texts, vectors, labels, groups = data
    other = EmbeddedJudge.fit(texts, vectors, labels, groups, np.random.default_rng(0), calibration="isotonic")
    probability = other.probability(texts, vectors)
    order = np.argsort(judge.probability(texts, vectors))
    assert (np.diff(probability[order]) > -1e-9).all() and len(set(probability)) < len(texts)
    other.save(tmp_path / "judge.safetensors")
    np.testing.assert_array_equal(EmbeddedJudge.load(tmp_path / "judge.safetensors").probability(texts, vectors), probability)
