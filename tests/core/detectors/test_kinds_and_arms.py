"""Every registered detector kind learns, refuses what cannot train it, and sits fairly in an arm."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from asteer_core.detectors import DETECTORS, TextSet, choose_kind, draw, train_arm, training_set
from asteer_core.errors import ConfigError, DataError

KINDS = ("embedding", "tfidf")


def planted(rng, count, violating, where="arm"):
    """Texts and embeddings in which a violation shows in words and in the first embedding dimensions."""
    words = ["rude", "awful", "stupid"] if violating else ["kind", "gentle", "fine"]
    pool = [f"w{i}" for i in range(200)]
    texts = tuple(" ".join([*rng.choice(pool, 12), *rng.choice([*words, *pool[:6]], 3)]) for _ in range(count))
    embeddings = rng.normal(size=(count, 48)).astype(np.float32)
    embeddings[:, :3] += 1.0 if violating else 0.0
    return TextSet(texts, embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), where)


@pytest.fixture
def data(rng):
    test = planted(rng, 100, True).join(planted(rng, 100, False))
    return planted(rng, 80, True, "toxicity, caa s0.6"), planted(rng, 120, False, "negatives"), test, np.repeat([1, 0], 100)


def test_the_registry_holds_the_kinds():
    assert set(KINDS) <= set(DETECTORS.names())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_finds_the_planted_violation_and_not_a_shuffled_one(kind, data, rng):
    positives, negatives, test, labels = data
    scores = train_arm(choose_kind(kind), positives, negatives, test, [0, 1, 2], 60)
    assert scores.shape == (3, 200) and (scores >= 0).all() and (scores <= 1).all()
    assert min(roc_auc_score(labels, row) for row in scores) > 0.75
    train, shuffled = positives.join(negatives), rng.permutation(np.repeat([1, 0], [80, 120]))
    assert abs(roc_auc_score(labels, choose_kind(kind).fit(train, shuffled, rng).score(test)) - 0.5) < 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_scores_and_others_do_not(kind, data):
    positives, negatives, test, _ = data
    a, b, again = train_arm(choose_kind(kind), positives, negatives, test, [0, 1, 0], 40)
    assert (a == again).all() and (a != b).any()


def test_embedding_kind_equals_a_scikit_learn_pipeline(data, rng):
    positives, negatives, test, _ = data
    train, labels = positives.join(negatives), np.repeat([1, 0], [80, 120])
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, class_weight="balanced", max_iter=1000))
    reference.fit(train.embeddings.astype(float), labels)
    ours = choose_kind("embedding").fit(train, labels, rng).score(test)
    np.testing.assert_allclose(ours, reference.predict_proba(test.embeddings.astype(float))[:, 1], atol=1e-4)


def test_tfidf_kind_equals_a_scikit_learn_pipeline(data, rng):
    positives, negatives, test, _ = data
    train, labels = positives.join(negatives), np.repeat([1, 0], [80, 120])
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    reference = make_pipeline(vectoriser, LogisticRegression(class_weight="balanced", max_iter=1000)).fit(train.texts, labels)
    ours = choose_kind("tfidf").fit(train, labels, rng).score(test)
    np.testing.assert_allclose(ours, reference.predict_proba(test.texts)[:, 1], atol=1e-3)


def test_tfidf_scores_texts_without_any_known_word(data, rng):
    positives, negatives, _, _ = data
    detector = choose_kind("tfidf").fit(positives.join(negatives), np.repeat([1, 0], [80, 120]), rng)
    scores = detector.score(TextSet(("", "…", "zzz qqq")))
    assert np.isfinite(scores).all() and np.ptp(scores) == 0


def test_counts_made_before_slicing_are_those_made_after(data):
    positives, _, test, _ = data
    rows = np.array([3, 1, 7])
    fresh = TextSet(tuple(positives.texts[i] for i in rows)).ngram_counts
    _ = positives.ngram_counts, test.ngram_counts
    assert (positives.take(rows).ngram_counts != fresh).nnz == 0
    assert positives.join(test).ngram_counts.shape[0] == 280


def test_arms_have_equal_counts_and_the_same_negatives(data, rng):
    positives, negatives, _, _ = data
    for count in (20, 80, 200):
        train, labels = training_set(positives, negatives, count, rng)
        assert labels.sum() == count and len(train) == count + 120
        assert train.texts[count:] == negatives.texts
        repeats = np.unique(train.texts[:count], return_counts=True)[1]
        assert repeats.max() - repeats.min() <= 1


def test_the_replacement_share_mixes_in_real_positives(data, rng):
    positives, negatives, _, _ = data
    real = planted(rng, 90, True, "real")
    for share in (0.0, 0.25, 0.5, 1.0):
        train, _ = training_set(positives, negatives, 40, rng, real, share)
        assert sum(text in positives.texts for text in train.texts[:40]) == round(40 * share)


@pytest.mark.parametrize(
    ("count", "share", "message"),
    [(40, 1.2, "toxicity, caa s0.6: replacement share 1.2"), (0, 1.0, "0 training positives"), (40, 0.5, "keeps 20 real positives; pass")],
)
def test_impossible_arms_are_refused(data, rng, count, share, message):
    positives, negatives, _, _ = data
    with pytest.raises(ConfigError, match=message):
        training_set(positives, negatives, count, rng, share=share)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_name_the_arm(kind, data, rng):
    positives, negatives, test, _ = data
    none = positives.take(np.array([], dtype=int))
    with pytest.raises(DataError, match="toxicity, caa s0.6: no texts, but 40"):
        train_arm(choose_kind(kind), none, negatives, test, [0], 40)
    with pytest.raises(DataError, match="toxicity, caa s0.6: 3 positive training texts of 123; .* at least 5"):
        train_arm(choose_kind(kind), positives, negatives, test, [0], 3)
    with pytest.raises(DataError, match="0 negative training texts"):
        train_arm(choose_kind(kind), positives, negatives.take(np.array([], dtype=int)), test, [0], 40)
    with pytest.raises(DataError, match="label nan in row 0"):
        choose_kind(kind).fit(positives, np.full(80, np.nan), rng)
    with pytest.raises(ConfigError, match="no seeds"):
        train_arm(choose_kind(kind), positives, negatives, test, [], 40)


def test_missing_or_broken_embeddings_name_the_rows(data, rng):
    positives, negatives, test, _ = data
    with pytest.raises(DataError, match="toxicity: .* needs sentence embeddings"):
        train_arm(choose_kind("embedding"), TextSet(positives.texts, None, "toxicity"), negatives, test, [0], 40)
    broken = positives.embeddings.copy()
    broken[[4, 6], 0] = np.nan
    with pytest.raises(DataError, match=r"toxicity: the embeddings of 2 texts hold NaN or infinity \(rows \[4, 6\]\)"):
        TextSet(positives.texts, broken, "toxicity")
    with pytest.raises(DataError, match="one row per text"):
        TextSet(positives.texts[:-1], positives.embeddings)
    with pytest.raises(DataError, match="width 47"):
        choose_kind("embedding").fit(positives.join(negatives), np.repeat([1, 0], [80, 120]), rng).score(
            TextSet(test.texts, test.embeddings[:, :-1])
        )


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown detector 'embeding'. Did you mean 'embedding'"):
        choose_kind("embeding")


@pytest.mark.parametrize("count", [0, 1, 80, 81, 200])
def test_draws_have_the_size_asked_for(data, rng, count):
    assert len(draw(data[0], count, rng)) == count
