"""Metrics: diversity of a paper-sized study, self-BLEU and Vendi against their textbook forms, embeddings against encoder
defaults and against static ones, and the package `diversity`."""

from __future__ import annotations

import math
import tempfile
from collections import Counter

import numpy as np
import vendi_score.vendi

from asteer_core.metrics import Measured, MetricSettings, corpus_intervals, score_corpus, tokenise
from asteer_core.metrics.self_bleu import self_bleu
from asteer_core.metrics.vendi import vendi
from asteer_core.model import EmbeddingCache, load_encoder
from benchmarks import diversity_package, static_embeddings
from benchmarks._model import texts
from benchmarks._table import in_turns, machine, quick, ratio, show, spread

LENGTH = 60


def naive_self_bleu(corpus: list[list[str]]) -> float:
    """Return the self-BLEU-4 by counting the n-grams of all references anew for each text."""
    return float(np.mean([_bleu(one, corpus[:place] + corpus[place + 1 :]) for place, one in enumerate(corpus)]))


def naive_vendi(embeddings: np.ndarray) -> float:
    """Return the Vendi score from the eigenvalues of the n x n matrix."""
    unit = embeddings.astype(np.float64) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    p = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    p = p[p > 1e-12]
    return float(np.exp(-(p * np.log(p)).sum()))


def _bleu(text: list[str], others: list[list[str]]) -> float:
    logs, halvings = [], 0
    for order in range(1, 5):
        counts, best = _grams(text, order), Counter[tuple[str, ...]]()
        for other in others:
            best |= _grams(other, order)
        matched, total = sum(min(count, best[gram]) for gram, count in counts.items()), sum(counts.values())
        if not total:
            break
        halvings += not matched
        logs.append(math.log(matched / total if matched else 1 / (2**halvings * total)))
    nearest = min((abs(len(other) - len(text)), len(other)) for other in others)[1]
    return min(1.0, math.exp(1 - nearest / len(text))) * math.exp(sum(logs) / len(logs))


def _grams(text: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(text[start : start + order]) for start in range(len(text) - order + 1))


def study_diversity(corpora: list[list[str]], embeddings: np.ndarray, *, intervals: bool = False) -> None:
    """Score corpora, embeddings given, as the stage of metrics does."""
    settings = MetricSettings()
    for place, corpus in enumerate(corpora):
        vectors = embeddings[place * len(corpus) : (place + 1) * len(corpus)]
        measured = Measured(corpus, list(map(str, range(len(corpus)))), embeddings=vectors)
        scores = score_corpus(measured, None, settings, np.random.default_rng(0))
        if intervals:
            corpus_intervals(measured, scores, settings, np.random.default_rng(0))


def main(small: bool) -> None:
    """Print the table."""
    rounds = 1 if small else 3
    n_corpora, n_naive, n_vendi, n_embedded = (4, 64, 512, 64) if small else (136, 128, 2048, 1024)
    rng = np.random.default_rng(0)
    corpora = [texts(128, LENGTH // 2, LENGTH * 3 // 2, seed) for seed in range(n_corpora)]
    vectors = rng.normal(size=(n_corpora * 128, 384)).astype(np.float32)
    tokens = [tokenise(text) for text in texts(n_naive, LENGTH // 2, LENGTH * 3 // 2)]
    many = rng.normal(size=(n_vendi, 384)).astype(np.float32)
    short = texts(n_embedded, 3, 40)
    # A third of the rows repeats another: short replies of a language model do, and each text is encoded once.
    repeated = [*short[: n_embedded * 2 // 3], *short[: n_embedded - n_embedded * 2 // 3]]
    encoder = load_encoder()
    plain = encoder.transformer()
    np.testing.assert_allclose(self_bleu(tokens), naive_self_bleu(tokens), atol=1e-9)
    np.testing.assert_allclose(vendi(many), naive_vendi(many), rtol=1e-6)
    np.testing.assert_allclose(vendi(many), vendi_score.vendi.score_dual(many.astype(np.float64)), rtol=1e-6)
    with tempfile.TemporaryDirectory(prefix="asteer-bench-") as folder:
        cache = EmbeddingCache(folder, encoder)
        runs = {
            "diversity of a study": lambda: study_diversity(corpora, vectors),
            "diversity of a study, with intervals": lambda: study_diversity(corpora, vectors, intervals=True),
            "self-BLEU": lambda: void(self_bleu(tokens)),
            "self-BLEU, naive": lambda: void(naive_self_bleu(tokens)),
            "Vendi": lambda: void(vendi(many)),
            "Vendi, n x n": lambda: void(naive_vendi(many)),
            "Vendi, vendi-score's dual form": lambda: void(vendi_score.vendi.score_dual(many)),
            "embedding": lambda: void(encoder.encode(short)),
            "embedding, a third repeated": lambda: void(encoder.encode(repeated)),
            "embedding, cached": lambda: void(cache.encode(short)),
            "embedding, SentenceTransformer.encode": lambda: void(plain.encode(short, show_progress_bar=False)),
        }
        seconds = in_turns(runs, rounds)
    sizes = {"diversity": f"{n_corpora} x 128 texts", "self-BLEU": f"{n_naive} texts", "Vendi": f"{n_vendi} x 384"}
    bases = {"self-BLEU": "self-BLEU, naive", "Vendi": "Vendi, n x n"}
    bases |= dict.fromkeys(("embedding", "embedding, a third repeated", "embedding, cached"), "embedding, SentenceTransformer.encode")
    rows = [
        [
            name,
            next((size for start, size in sizes.items() if name.startswith(start)), f"{n_embedded} texts"),
            f"{min(times):.3f}",
            spread(ratio(seconds, name, bases[name])) if name in bases else "",
        ]
        for name, times in seconds.items()
    ]
    note = f"{machine()}; goals: diversity of the study in 20 s, embedding 1.5 x"
    show("Metrics", ["what", "size", "seconds", "faster than its other form by (range)"], rows, note)
    static_embeddings.main(small)
    diversity_package.main(small)


def void(_: object) -> None:
    """Return nothing, so that the clock and not the result is taken for the seconds of a run."""


if __name__ == "__main__":
    main(quick(__doc__))
