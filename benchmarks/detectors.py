"""Detectors: all embedding detectors of a paper-sized study, and fine-tuning of MiniLM beside a plain transformers `Trainer`.

The Trainer needs the package accelerate (`pip install accelerate`); without it its row is left out, and the table says so.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from typing import Any

import numpy as np
import torch

from asteer_core.detectors import TextSet, choose_kind, train_arm
from asteer_core.model.backbones import load_backbone
from asteer_core.model.finetuning import Recipe, Task, fine_tune
from benchmarks._table import in_turns, machine, quick, ratio, show, spread

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


def labelled(count: int) -> Task:
    """Return texts of 5 to 60 words, of which two give the label away."""
    rng = np.random.default_rng(0)
    words, labels = ["time", "people", "water", "place", "house", "money", "music", "story"], np.arange(count) % 2
    texts = [" ".join([*rng.choice(words, rng.integers(5, 61)), "rude" if label else "kind"]) for label in labels]
    return Task(texts, labels)


def ours(task: Task, precision: Any) -> None:
    """Fine-tune for one epoch."""
    recipe = Recipe(epochs=1, precision=precision)
    one = Task(task.texts[:2], task.labels[:2])
    fine_tune(load_backbone("minilm"), task, one, lambda found: (float(found.mean()),), recipe, 0)


def trainer(task: Task) -> None:
    """Fine-tune for one epoch with the Trainer and its defaults: same batch size, length and learning rate, padding per batch."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    backbone = load_backbone("minilm")
    encoded = backbone.tokenizer(list(task.texts), truncation=True, max_length=256)
    rows = [{"input_ids": ids, "labels": int(label)} for ids, label in zip(encoded["input_ids"], task.labels, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=16, learning_rate=5e-5, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        collator = DataCollatorWithPadding(backbone.tokenizer)
        Trainer(backbone.module, arguments, train_dataset=rows, data_collator=collator).train()  # type: ignore[arg-type]


def main(small: bool) -> None:
    """Print the table."""
    configurations, count = (4, 64) if small else (136, 1000)
    task = labelled(count)
    runs: dict[str, Any] = {"MiniLM, one epoch": lambda: ours(task, "float32"), "MiniLM, one epoch, bf16": lambda: ours(task, "bf16")}
    plain = "Trainer, one epoch"
    there = importlib.util.find_spec("accelerate") is not None
    if there:
        runs[plain] = lambda: trainer(task)
    seconds = in_turns(runs, 1 if small else 3)
    rows: list[list[object]] = [["embedding detectors of a study", f"{configurations} x {SEEDS} seeds", f"{study(configurations):.1f}", ""]]
    for name, times in seconds.items():
        rows.append([name, f"{count} texts", f"{min(times):.1f}", spread(ratio(seconds, name, plain)) if there and name != plain else ""])
    missing = "" if there else "; accelerate is not installed, so the Trainer was not run"
    show(
        "Detectors", ["what", "size", "seconds", "faster than the Trainer by (range)"], rows, f"{machine()}{missing}; goal: a study in 60 s"
    )


if __name__ == "__main__":
    main(quick(__doc__))
