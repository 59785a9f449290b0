"""Static sentence embeddings: a table with one vector per token, distilled from the sentence encoder, so that a text costs a lookup.

For corpora too large for the encoder, and as a second opinion on diversity: word order and context are lost, rare words weigh more. The
vectors live in another space than the encoder's and must never be compared with them. What does not belong here: the encoder
(`encoder.py`), and what is computed from embeddings (`asteer_core.metrics`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from asteer_core.errors import StoreError
from asteer_core.model.encoder import SHA256, SentenceEncoder, load_encoder
from asteer_core.tensors import read_tensors, write_tensors
from asteer_core.types import fingerprint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VERSION = 2
"""Changes with the recipe below."""
WIDTH = 256
SMOOTHING = 1e-4
"""The constant a of the weights a / (a + p)."""
_KIND = "static embeddings"
_SLICE = 4096
_NO_WORDS = re.compile(r"\[(PAD|CLS|SEP|MASK|unused\d+)\]")


class StaticEncoder:
    """Encodes texts to unit vectors by looking their tokens up. The table is distilled on the first call of `encode` in a home, once.

    `fingerprint` is the hash of the encoder's weights and of the recipe; `path` is where the table lies.

    Args:
        home: the table is kept in its cache.
        encoder: what the table is distilled from; by default the one that ships.
        on_distil: called with (done, total) tokens while that goes on.
    """

    width = WIDTH

    def __init__(self, home: Path, encoder: SentenceEncoder | None = None, on_distil: Callable[[int, int], None] | None = None) -> None:
        weights = SHA256 if encoder is None else encoder.fingerprint
        self.fingerprint, self.path = static_fingerprint(weights), static_path(home, weights)
        self._given, self._on_distil = encoder, on_distil

    def encode(self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return one unit vector per text, float32 [text, 256]: the direction of the sum of its tokens' vectors.

        A text without a token has the vector of the empty text. As with the encoder, unknown characters share one token, and what lies
        beyond the encoder's length is not read.

        Raises:
            StoreError: the table is damaged, or cannot be written.
            ModelError: the encoder is nowhere to be had.
        """
        vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for start in range(0, len(texts), _SLICE):
            part = list(texts[start : start + _SLICE])
            vectors[start : start + len(part)] = self._of(part)
            if on_progress:
                on_progress(start + len(part), len(texts))
        return vectors

    def _of(self, texts: list[str]) -> np.ndarray:
        tokens = [found.ids for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        ends = np.cumsum([0, *map(len, tokens)])
        counts = csr_array(
            (np.ones(ends[-1], dtype=np.float32), np.concatenate([*tokens, []]).astype(np.int64), ends),
            shape=(len(texts), len(self._table)),
        )
        # Equal tokens are counted before they are added up: so the order of words leaves no trace, not even of rounding.
        counts.sum_duplicates()
        sums = counts @ self._table
        sums[~sums.any(axis=1)] = self._empty
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        # In float32 whatever the machine computes natively: the table is made once, and may be copied to another.
        return self._given or load_encoder(dtype="float32")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        found = Tokenizer.from_file(str(self._encoder.tokenizer_file))
        found.no_padding()
        found.enable_truncation(self._encoder.longest - found.num_special_tokens_to_add(False))
        return found

    @cached_property
    def _rows(self) -> np.ndarray:
        if not self.path.is_file():
            write_tensors(self.path, _KIND, VERSION, {"encoder": self._encoder.fingerprint}, {"vectors": self._distilled()})
        vectors = read_tensors(self.path, _KIND, VERSION)[1].get("vectors")
        expected = (self._tokenizer.get_vocab_size() + 1, WIDTH)
        if vectors is None or vectors.shape != expected or not np.isfinite(vectors).all() or not vectors[-1].any():
            raise StoreError(f"{self.path}: expected finite vectors of shape {expected}; delete the file, it is distilled again")
        return vectors.astype(np.float32)

    @property
    def _table(self) -> np.ndarray:
        return self._rows[:-1]

    @property
    def _empty(self) -> np.ndarray:
        return self._rows[-1]

    def _distilled(self) -> np.ndarray:
        """Return the vectors of all tokens and, last, of the empty text, float16 [token + 1, 256]; zero for marks that are no words."""
        vocabulary = self._tokenizer.get_vocab()
        begin, end = vocabulary["[CLS]"], vocabulary["[SEP]"]
        kept = by_frequency(vocabulary)
        pooled = self._encoder.pool([[begin, number, end] for number in kept] + [[begin, end]], on_progress=self._on_distil)
        vectors = np.zeros((len(vocabulary) + 1, WIDTH), dtype=np.float16)
        vectors[[*kept, -1]] = distilled(pooled[:-1], pooled[-1])
        return vectors


def by_frequency(vocabulary: Mapping[str, int]) -> list[int]:
    """Return the numbers of the tokens that are no mere marks, common ones first, as far as a WordPiece vocabulary tells.

    It lists words and parts of words by falling frequency, but before them the characters of its alphabet by code: in their place
    "the" would count as the thousandth token. Here those of ASCII come first, the rest of the alphabet last.
    """

    def rank(item: tuple[str, int]) -> tuple[int, int]:
        token, number = item
        return (1 if len(token) > 1 else 0 if token.isascii() else 2), number

    return [number for token, number in sorted(vocabulary.items(), key=rank) if not _NO_WORDS.fullmatch(token)]


def distilled(tokens: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return the static vectors of tokens in order of falling frequency, and of the empty text last, float64 [token + 1, 256].

    The principal components of the tokens' vectors, weighted by a / (a + p): p is the probability that Zipf's law gives a token of
    that rank (1 / (rank + 1), from rank 1), which stands in for counts of a corpus.

    Args:
        tokens: mean-pooled vector of each token as a text of its own, [token, d_embed]. empty: that of the empty text, [d_embed].

    Source: Arora et al. 2017, A simple but tough-to-beat baseline for sentence embeddings (weights); Tulkens and van Dongen 2024,
    Model2Vec, https://github.com/MinishLab/model2vec (tokens one by one, components, Zipf).
    """
    rows = np.vstack([tokens, empty]).astype(np.float64)
    rows -= rows[:-1].mean(axis=0)
    axes = np.linalg.eigh(rows[:-1].T @ rows[:-1])[1][:, ::-1][:, :WIDTH]
    found = rows @ axes
    # An eigenvector has no sign; the same one everywhere makes tables of two machines alike.
    found *= np.sign(found[np.abs(found[:-1]).argmax(axis=0), np.arange(found.shape[1])])
    zipf = 1 / np.arange(2.0, len(tokens) + 2)
    found[:-1] *= (SMOOTHING / (SMOOTHING + zipf / zipf.sum()))[:, None]
    return found


def static_fingerprint(weights: str = SHA256) -> str:
    """Return the hash of what the table is made of: the encoder's weights (their sha256) and the recipe."""
    return fingerprint(["static", VERSION, weights, WIDTH, SMOOTHING])


def static_path(home: Path, weights: str = SHA256) -> Path:
    """Return where the table lies, or will lie, in a home."""
    return home / "cache" / "static" / f"{static_fingerprint(weights)}.safetensors"
