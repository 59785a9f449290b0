"""Metrics beside the package `diversity` 0.3.1 on the same texts in one run: equal values where the definitions agree, and the time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asteer_core.metrics import tokenise
from asteer_core.metrics.chamfer import chamfer
from asteer_core.metrics.compression_ratio import compression_ratio
from asteer_core.metrics.distinct4 import distinct4
from asteer_core.metrics.mean_pairwise_distance import mean_pairwise_distance
from asteer_core.metrics.self_bleu import self_bleu
from asteer_core.model import load_encoder
from benchmarks._model import texts
from benchmarks._other_side import OtherSide
from benchmarks._table import in_turns, machine, quick, ratio, show, spread

ROWS = {
    "compression ratio (LZMA)": ("compression_ratio", 0.02),
    "distinct-4": ("distinct4", 0.002),
    "mean pairwise distance x (n - 1) / n": ("remote_clique", 0.001),
    "chamfer distance": ("chamfer", 0.001),
    "self-BLEU; theirs: ROUGE-L of all pairs": ("rouge", None),
}
"""What is computed -> its job on the other side, and how far the two values may lie apart (as a share); None: another definition."""

NOTE = (
    "values agree where a tolerance is given (theirs are rounded to three digits; xz has a header of its own). Distances: both encode the "
    "texts, theirs loads its encoder at every call. Left out: BLEU and BERTScore (scripts from a hub), parts of speech and templates "
    "(a spaCy model that is not on PyPI), QUDsim (an API)."
)


def main(small: bool) -> None:
    """Print the table, once the values that should agree do."""
    count = 32 if small else 256
    # A quarter are loops.
    corpus = [*texts(count * 3 // 4, 20, 60), *(" ".join([text] * 4) for text in texts(count // 4, 6, 12))]
    # In float32, as theirs.
    encoder = load_encoder(dtype="float32")
    ours: dict[str, Callable[[], float]] = {
        "compression_ratio": lambda: compression_ratio([tokenise(text) for text in corpus]),
        "distinct4": lambda: float(np.mean([distinct4(tokenise(text)) for text in corpus])),
        "remote_clique": lambda: mean_pairwise_distance(encoder.encode(corpus)) * (count - 1) / count,
        "chamfer": lambda: chamfer(encoder.encode(corpus)),
        "rouge": lambda: self_bleu([tokenise(text) for text in corpus]),
    }
    folder = Path(tempfile.mkdtemp(prefix="asteer-diversity-"))
    (folder / "job.json").write_text(json.dumps({"texts": corpus, "model": str(encoder.tokenizer_file.parent)}))
    values: dict[str, float] = {}
    with OtherSide("diversity", "_diversity_worker.py", folder) as peer:

        def theirs(job: str) -> float:
            seconds, values[job] = peer.ask(job)
            return seconds

        def mine(job: str) -> None:
            values[f"our {job}"] = ours[job]()

        runs: dict[str, Callable[[], float | None]] = {}
        for job, _ in ROWS.values():
            runs[f"our {job}"] = lambda job=job: mine(job)
            runs[job] = lambda job=job: theirs(job)
        seconds = in_turns(runs, 1 if small else 3)
    rows = []
    for what, (job, tolerance) in ROWS.items():
        a, b = values[f"our {job}"], values[job]
        if tolerance is not None and abs(a - b) > tolerance * max(abs(a), abs(b)) + 0.0005:
            raise RuntimeError(f"{what}: {a} here, {b} there; expected the same to {tolerance:.1%}")
        times = [f"{min(seconds[name]):.3f}" for name in (f"our {job}", job)]
        rows.append([what, f"{a:.3f}", f"{b:.3f}", *times, spread(ratio(seconds, f"our {job}", job))])
    columns = ["what", "ours", "diversity", "our seconds", "its seconds", "faster by (range)"]
    show(f"Beside diversity 0.3.1: {count} texts", columns, rows, f"{machine()}; {NOTE}")


if __name__ == "__main__":
    main(quick(__doc__))
