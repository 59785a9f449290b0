"""Static embeddings: a bag of token vectors, distilled once per home, that ranks corpora by diversity as the encoder does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from asteer_core.errors import StoreError
from asteer_core.metrics.set_diversity import mean_vendi, subsamples
from asteer_core.model import EmbeddingCache, StaticEncoder, load_encoder
from asteer_core.model.static_embeddings import SMOOTHING, WIDTH, by_frequency, distilled, static_path

MARKS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOPICS, PER_TOPIC, D = 12, 40, 300


class Planted:
    """An encoder of 480 words in twelve topics: the vector of a text is the mean of its tokens', and it counts what it is asked."""

    fingerprint = "a" * 64
    longest = 12

    def __init__(self, folder) -> None:
        words = [*MARKS, *(f"t{topic}w{word}" for word in range(PER_TOPIC) for topic in range(TOPICS))]
        tokenizer = Tokenizer(WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.add_special_tokens([mark for mark in MARKS if mark != "[unused0]"])
        tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
        self.tokenizer_file = folder / "tokenizer.json"
        tokenizer.save(str(self.tokenizer_file))
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(TOPICS, D))
        self.vectors = 3 + rng.normal(size=(len(words), D))
        self.vectors[len(MARKS) :] += 2 * centres[np.arange(TOPICS * PER_TOPIC) % TOPICS]
        self.asked = 0

    def pool(self, tokens, *, on_progress=None):
        self.asked += 1
        if on_progress:
            on_progress(len(tokens), len(tokens))
        return np.stack([self.vectors[one].mean(axis=0) for one in tokens]).astype(np.float32)


@pytest.fixture
def planted(tmp_path) -> Planted:
    """The encoder of twelve topics."""
    return Planted(tmp_path)


@pytest.fixture
def static(tmp_path, planted) -> StaticEncoder:
    """Its static embeddings."""
    return StaticEncoder(tmp_path / "home", planted)


def about(topics: int, rng: np.random.Generator, n: int = 60) -> list[str]:
    """Return n texts of eight words, spread over a number of topics."""
    return [" ".join(f"t{topic}w{word}" for word in rng.integers(PER_TOPIC, size=8)) for topic in rng.integers(topics, size=n)]


def test_a_table_is_distilled_once_per_home_and_then_read(tmp_path, planted):
    steps = []
    first = StaticEncoder(tmp_path / "home", planted, lambda *step: steps.append(step))
    assert not first.path.exists() and planted.asked == 0, "an encoder is cheap to hold"
    texts = ["t0w1 t0w2", "t3w1"]
    vectors = first.encode(texts)
    assert vectors.shape == (2, WIDTH) and vectors.dtype == np.float32 and steps[-1][0] == steps[-1][1] == 482
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(StaticEncoder(tmp_path / "home", planted).encode(texts), vectors)
    assert planted.asked == 1 and first.encode([]).shape == (0, WIDTH)
    assert [path.name for path in first.path.parent.iterdir()] == [f"{first.fingerprint}.safetensors"]


def test_words_of_one_topic_are_near_and_rare_words_weigh_more(static):
    near, same, far = static.encode(["t1w5 t1w6", "t1w20 t1w21", "t2w5 t2w6"])
    assert near @ same > 0.5 > near @ far + 0.3
    common, rare, both = static.encode(["t0w0", f"t1w{PER_TOPIC - 1}", f"t0w0 t1w{PER_TOPIC - 1}"])
    assert both @ rare > both @ common + 0.3


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_words_and_of_texts_leaves_no_trace(static, planted, seed):
    rng = np.random.default_rng(seed)
    planted.longest = 400  # sums of a few half-precision numbers would be exact in any order
    texts = [" ".join(about(12, rng, 25)) for _ in range(40)]
    vectors = static.encode(texts)
    np.testing.assert_array_equal(static.encode([" ".join(rng.permutation(text.split())) for text in texts]), vectors)
    order = rng.permutation(40)
    np.testing.assert_array_equal(static.encode([texts[i] for i in order]), vectors[order])
    np.testing.assert_array_equal(np.concatenate([static.encode([text]) for text in texts]), vectors)


def test_empty_texts_have_a_direction_of_their_own_and_unknown_words_share_one(static, planted):
    empty, blank, marks, unknown, others, known = static.encode(["", "  \n", "[CLS] [SEP] [PAD]", "qqq", "rrr sss", "t0w1"])
    np.testing.assert_array_equal(empty, blank)
    np.testing.assert_array_equal(empty, marks)  # written-out marks are no words
    np.testing.assert_allclose(unknown, others, atol=1e-6)
    ids = [3, 4]  # how the encoder reads an empty text, among the words whose components span the space
    expected = distilled(planted.pool([[3, word, 4] for word in [2, *range(6, 486)]]), planted.pool([ids])[0])[-1]
    np.testing.assert_allclose(empty, expected / np.linalg.norm(expected), atol=2e-3)  # stored in half precision
    assert np.linalg.norm(empty) == pytest.approx(1) and abs(empty @ unknown) < 0.9 and abs(unknown @ known) < 0.9


def test_no_more_of_a_text_is_read_than_the_encoder_reads(static, planted):
    words = [f"t0w{number}" for number in range(20)]
    within = planted.longest - 2
    np.testing.assert_array_equal(*static.encode([" ".join(words), " ".join(words[:within])]))
    assert not np.array_equal(*static.encode([" ".join(words), " ".join(words[: within - 1])]))


def test_the_recipe_is_components_of_the_centred_tokens_weighted_by_zipf(rng):
    tokens, empty = rng.normal(5, 1, size=(400, 300)), rng.normal(size=300)
    found = distilled(tokens, empty)
    probability = (1 / np.arange(2, 402)) / (1 / np.arange(2, 402)).sum()
    scores = found[:-1] * ((SMOOTHING + probability) / SMOOTHING)[:, None]
    spreads = np.square(scores).sum(axis=0)
    _, singular, axes = np.linalg.svd(tokens - tokens.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(spreads, np.square(singular[:WIDTH]), rtol=1e-6)
    np.testing.assert_allclose(np.abs(scores), np.abs((tokens - tokens.mean(axis=0)) @ axes[:WIDTH].T), atol=1e-6)
    np.testing.assert_allclose(np.abs(found[-1]), np.abs((empty - tokens.mean(axis=0)) @ axes[:WIDTH].T), atol=1e-6)
    assert (scores[np.abs(scores).argmax(axis=0), np.arange(WIDTH)] > 0).all()


def test_characters_of_the_alphabet_take_no_rank_from_words():
    listed = ["[PAD]", "[unused3]", "[UNK]", "[CLS]", "!", "a", "é", "字", "the", "of", "##s", "##é"]
    vocabulary = {token: number for number, token in enumerate(listed)}
    assert [listed[number] for number in by_frequency(vocabulary)] == ["!", "a", "[UNK]", "the", "of", "##s", "##é", "é", "字"]


def test_the_cache_of_a_home_keeps_the_two_spaces_apart(tmp_path, static):
    class Other:
        fingerprint, width = "b" * 64, WIDTH

        def encode(self, texts, *, on_progress=None):
            return np.ones((len(texts), WIDTH), dtype=np.float32)

    texts = ["t0w1", "t5w2"]
    first = EmbeddingCache(tmp_path / "cache", Other()).encode(texts)
    second = EmbeddingCache(tmp_path / "cache", static).encode(texts)
    assert (first == 1).all() and (second != 1).all()
    np.testing.assert_array_equal(EmbeddingCache(tmp_path / "cache", Other()).encode(texts), first)
    np.testing.assert_array_equal(second, static.encode(texts))


def test_other_weights_have_another_table_and_a_damaged_one_is_named(tmp_path, planted, static):
    other = Planted(tmp_path)
    other.fingerprint = "c" * 64
    assert StaticEncoder(tmp_path / "home", other).path != static.path == static_path(tmp_path / "home", planted.fingerprint)
    static.encode(["t0w1"])
    static.path.write_bytes(static.path.read_bytes()[:-1000])
    with pytest.raises(StoreError, match="delete it"):
        StaticEncoder(tmp_path / "home", planted).encode(["t0w1"])


@pytest.mark.parametrize("seed", range(3))
def test_corpora_of_more_topics_are_more_diverse(static, seed):
    rng = np.random.default_rng(seed)
    shares = [mean_vendi(static.encode(about(topics, rng)), subsamples(60, 40, 5, rng))[1] for topics in (1, 2, 4, 8, 12)]
    assert shares == sorted(shares)


@pytest.mark.slow
def test_diversity_by_static_vectors_ranks_corpora_as_by_the_encoder(tmp_path, small_data):
    import polars as pl

    texts = pl.read_ndjson(small_data / "concepts" / "toxicity" / "judge.jsonl")["response"].to_list()
    rng = np.random.default_rng(0)
    static, encoder = StaticEncoder(tmp_path), load_encoder(device="cpu")
    shares: dict[str, list[float]] = {"static": [], "encoder": []}
    for kinds in (1, 2, 4, 6, 10, 16, 24, 32, 48, 64):
        # A corpus of 64 replies made of a number of different ones.
        corpus = [str(text) for text in rng.permutation([*rng.choice(texts, kinds, replace=False)] * (64 // kinds + 1))[:64]]
        for name, source in (("static", static), ("encoder", encoder)):
            shares[name].append(mean_vendi(source.encode(corpus), [np.arange(64)])[1])
    assert spearmanr(shares["static"], shares["encoder"]).statistic > 0.95
    real = static.encode(["A cat sat on the mat.", "A kitten rested on the rug.", "Interest rates rose by half a point.", "", "🙂"])
    assert real[0] @ real[1] > real[0] @ real[2] + 0.3 and np.isfinite(real).all()
    assert abs(real[3] @ real[4]) < 0.9
