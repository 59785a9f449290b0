"""Fine-tuning MiniLM for one epoch: ours beside a plain transformers `Trainer`, in float32 and bf16, with equal batches and recipe.

The clock runs from loaded weights to trained ones, tokenising included. The Trainer needs accelerate, which `trainer_env.sh` fetches;
without it its rows are left out, and the table says so.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asteer_core.model.backbones import load_backbone
from asteer_core.model.classifier import SequenceClassifier
from asteer_core.model.finetuning import Recipe, Task, fine_tune
from benchmarks._table import in_turns, machine, quick, ratio, show, spread

RECIPE = Recipe(epochs=1, batch_size=16, learning_rate=5e-5, weight_decay=0.01, warmup=0.1, max_tokens=256)
HELD_OUT = 200
OURS, TRAINER = "ours", "Trainer"
PRECISIONS = ("float32", "bf16")

Outcome = tuple[float, float, float]
"""Seconds, loss on held-out texts, tokens per text with padding."""


def labelled(count: int, seed: int) -> Task:
    """Return texts of 5 to 60 words; what kind of words they have most of gives the label away, but not always."""
    rng = np.random.default_rng(seed)
    words, labels = ["time", "people", "water", "place", "house", "money", "music", "story"], np.arange(count) % 2
    signal = [["kind", "gentle", "fine"], ["rude", "awful", "stupid"]]
    texts = [
        " ".join([*rng.choice(words, rng.integers(5, 61)), *rng.choice(signal[label], 2), rng.choice(signal[rng.integers(2)])])
        for label in labels
    ]
    return Task(texts, labels)


def ours(task: Task, held_out: Task, precision: Any) -> Outcome:
    """Fine-tune for one epoch."""
    backbone, widths = load_backbone("minilm"), []
    pad = backbone.tokenizer.pad
    backbone.tokenizer.pad = lambda *given, **named: _counted(pad(*given, **named), widths)
    tiny = Task(task.texts[:2], task.labels[:2])
    recipe = Recipe(**{name: getattr(RECIPE, name) for name in RECIPE.__slots__} | {"precision": precision})
    start = time.perf_counter()
    classifier, _ = fine_tune(backbone, task, tiny, lambda found: (float(found.mean()),), recipe, 0)
    return time.perf_counter() - start, _loss(classifier, held_out), sum(widths) / len(task.texts)


def trainer(task: Task, held_out: Task, precision: str) -> Outcome:
    """Fine-tune for one epoch with the Trainer: its own order of rows, padded per batch."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    backbone, widths = load_backbone("minilm"), []
    collate = DataCollatorWithPadding(backbone.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=RECIPE.batch_size, learning_rate=RECIPE.learning_rate,
            weight_decay=RECIPE.weight_decay, warmup_steps=round(RECIPE.warmup * len(task.texts) / RECIPE.batch_size), report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=not torch.cuda.is_available(), bf16=precision == "bf16",
        )  # fmt: skip
        start = time.perf_counter()
        encoded = backbone.tokenizer(list(task.texts), truncation=True, max_length=RECIPE.max_tokens)
        rows = [{"input_ids": ids, "labels": int(label)} for ids, label in zip(encoded["input_ids"], task.labels, strict=True)]
        made = Trainer(
            backbone.module, arguments, train_dataset=rows, data_collator=lambda batch: _counted(collate(batch), widths)  # type: ignore[arg-type]
        )  # fmt: skip
        made.train()
        seconds = time.perf_counter() - start
    return seconds, _loss(SequenceClassifier("trainer", backbone.module, backbone.tokenizer), held_out), sum(widths) / len(task.texts)


def _counted(batch: Any, widths: list[int]) -> Any:
    widths.append(batch["input_ids"].numel())
    return batch


def _loss(classifier: SequenceClassifier, task: Task) -> float:
    found = classifier.probabilities(list(task.texts))
    return float(-np.log(found[np.arange(len(task.labels)), task.labels]).mean())


def main(small: bool) -> None:
    """Print the table."""
    count, rounds = (64, 1) if small else (1000, 3)
    task, held_out = labelled(count, 0), labelled(HELD_OUT, 1)
    makers: dict[str, Callable[..., Outcome]] = {OURS: ours} | ({TRAINER: trainer} if _has_accelerate() else {})
    outcomes: dict[str, Outcome] = {}

    def timed(name: str, make: Callable[..., Outcome], precision: str) -> Callable[[], float]:
        def run() -> float:
            outcomes[name] = make(task, held_out, precision)
            return outcomes[name][0]

        return run

    runs = {name: timed(name, make, precision) for name, make, precision in _named(makers)}
    seconds = in_turns(runs, rounds)
    rows = []
    for name, times in seconds.items():
        base = f"{TRAINER}, {name.rpartition(' ')[2]}"
        faster = spread(ratio(seconds, name, base)) if base in seconds and name != base else ""
        half = spread(ratio(seconds, name, name.replace("bf16", "float32"))) if name.endswith("bf16") else ""
        _, loss, tokens = outcomes[name]
        rows.append([name, f"{min(times):.1f}", faster, half, f"{loss:.3f}", f"{tokens:.0f}"])
    columns = ["one epoch", "seconds", "x faster than Trainer (range)", "x faster than float32 (range)", "held-out loss", "tokens per text"]
    missing = "" if TRAINER in makers else "; accelerate cannot be fetched, so the Trainer was not run"
    show(f"Fine-tuning MiniLM on {count} texts, batches of {RECIPE.batch_size}", columns, rows, f"{machine()}{missing}")


def _named(makers: dict[str, Callable[..., Outcome]]) -> Iterator[tuple[str, Callable[..., Outcome], str]]:
    for precision in PRECISIONS:
        for name, make in makers.items():
            yield f"{name}, {precision}", make, precision


def _has_accelerate() -> bool:
    if importlib.util.find_spec("accelerate") is not None:
        return True
    script = Path(__file__).parent / "trainer_env.sh"
    done = subprocess.run(["sh", str(script)], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    if done.returncode:
        return False
    sys.path.append(done.stdout.strip())
    importlib.invalidate_caches()
    return True


if __name__ == "__main__":
    main(quick(__doc__))
