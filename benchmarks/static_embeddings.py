"""Static embeddings beside the encoder: texts per second, and whether both rank real corpora alike by diversity."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from asteer_core.metrics import Embedding, Measured, MetricSettings, score_corpus
from asteer_core.model import SentenceEncoder, StaticEncoder, load_encoder
from asteer_core.paths import data_root, home
from benchmarks._model import texts
from benchmarks._table import in_turns, machine, quick, ratio, show, spread

SHOWN = ("vendi", "set_diversity", "diversity")


def real_corpora() -> list[pl.DataFrame]:
    """Return prompts and responses of chat models, unsteered and steered (see `steered_outputs.py`); none where they are not here."""
    shared = Path(os.environ.get("ASTEER_SHARED_DATA") or data_root().parent.parent / "shared" / "data")
    return [pl.read_json(path).select("prompt", "response") for path in sorted((shared / "refusal_direction").glob("*_completions.json"))]


def diversity_of(corpus: pl.DataFrame, encoder: SentenceEncoder | StaticEncoder, embedding: Embedding) -> list[float]:
    """Return the SHOWN scores of one corpus, m half of its rows."""
    responses = corpus["response"].to_list()
    measured = Measured(responses, corpus["prompt"].to_list(), embeddings=encoder.encode(responses))
    settings = MetricSettings(subsample_size=corpus.height // 2, embedding=embedding)
    found = score_corpus(measured, None, settings, np.random.default_rng(0)).corpus
    return [float(found[name] or np.nan) for name in SHOWN]


def main(small: bool) -> None:
    """Print the tables."""
    encoder, static = load_encoder(), StaticEncoder(home())
    start, there = time.perf_counter(), static.path.is_file()
    static.encode(["warm"])
    made = "the table was in the home already" if there else f"the table took {time.perf_counter() - start:.0f} s to distil, once"
    short = texts(64 if small else 1024, 3, 40)
    many = short * (1 if small else 16)
    seconds = in_turns({"encoder": lambda: _void(encoder.encode(short)), "static": lambda: _void(static.encode(many))}, 1 if small else 3)
    each = {"encoder": [one / len(short) for one in seconds["encoder"]], "static": [one / len(many) for one in seconds["static"]]}
    rows = [
        ["encoder", f"{1 / min(each['encoder']):,.0f}", ""],
        ["static", f"{1 / min(each['static']):,.0f}", spread(ratio(each, "static", "encoder"))],
    ]
    show("Embeddings: texts of 3 to 40 words", ["vectors", "texts per second", "faster by (range)"], rows, f"{machine()}; {made}")
    corpora = real_corpora()[: 4 if small else None]
    if not corpora:
        print("Real corpora are not here (set ASTEER_SHARED_DATA); rank correlations of diversity left out.")
        return
    by_encoder = np.array([diversity_of(corpus, encoder, "encoder") for corpus in corpora])
    by_static = np.array([diversity_of(corpus, static, "static") for corpus in corpora])
    rows = [
        [
            name, f"{spearmanr(by_encoder[:, place], by_static[:, place]).statistic:.3f}", f"{by_encoder[:, place].mean():.3f}",
            f"{by_static[:, place].mean():.3f}",
        ]
        for place, name in enumerate(SHOWN)
    ]  # fmt: skip
    columns = ["score", "Spearman", "mean by encoder", "mean by static"]
    show(f"{len(corpora)} real corpora of {corpora[0].height} replies, by both", columns, rows)


def _void(_: object) -> None:
    """Return nothing, so that the clock and not the result is taken for the seconds of a run."""


if __name__ == "__main__":
    main(quick(__doc__))
