"""Detectors: all embedding detectors of a paper-sized study, embeddings given. Fine-tuned ones: `fine_tuning.py`."""

from __future__ import annotations

import time

import numpy as np

from asteer_core.detectors import TextSet, choose_kind, train_arm
from benchmarks._table import machine, quick, show

WIDTH, SEEDS, POSITIVES, TESTED = 384, 5, 102, 880


def study(configurations: int) -> float:
    """Return the seconds that the embedding detectors of a study take: five seeds per configuration, embeddings given."""
    rng = np.random.default_rng(0)
    kind = choose_kind("embedding")

    def texts(count: int, shift: float) -> TextSet:
        return TextSet(("",) * count, (rng.normal(size=(count, WIDTH)) + shift).astype(np.float32))

    negatives, tested = texts(POSITIVES, 0.0), texts(TESTED, 0.05)
    arms = [texts(128, 0.1) for _ in range(configurations)]
    start = time.perf_counter()
    for arm in arms:
        train_arm(kind, arm, negatives, tested, range(SEEDS), POSITIVES)
    return time.perf_counter() - start


def main(small: bool) -> None:
    """Print the table."""
    configurations = 4 if small else 136
    rows: list[list[object]] = [["embedding detectors of a study", f"{configurations} x {SEEDS} seeds", f"{study(configurations):.1f}"]]
    show("Detectors", ["what", "size", "seconds"], rows, f"{machine()}; goal: a study in 60 s")


if __name__ == "__main__":
    main(quick(__doc__))
