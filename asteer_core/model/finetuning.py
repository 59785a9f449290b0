"""Full fine-tuning of an encoder into a two-class classifier: early stopping, class weights, bf16 where it is fast, resume after a kill.

Every random choice is a function of (seed, step), so a run that was killed and resumed ends with the weights of one that was not.
What does not belong here: what the labels mean, and how good a result is (`asteer_core.detectors`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.backbones import Backbone
from asteer_core.model.checkpoints import Standing, forget_checkpoint, read_checkpoint, write_checkpoint
from asteer_core.model.classifier import SequenceClassifier, _longest
from asteer_core.model.sentence_batches import native_bfloat16
from asteer_core.types import fingerprint

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and how training stands."""

Quality = Callable[[np.ndarray], tuple[float, ...]]
"""Validation probabilities [text] to what is to be highest; compared in order."""

CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 60.0, 0.1
"""Least time between two checkpoints, and the most of training time that writing them may take: one is four times the weights."""
_BUCKET = 16
"""Batches whose texts are sorted by length together: little padding, and batches stay random."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. `patience`: epochs without a better validation result before training ends; None trains all `epochs`."""

    epochs: int = 4
    batch_size: int = 16
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup: float = 0.1
    patience: int | None = 1
    max_tokens: int = 256
    class_weights: bool = True
    precision: Literal["auto", "float32", "bf16"] = "auto"


@dataclass(frozen=True)
class Task:
    """Labelled rows: texts, labels (0/1), and, if the encoder reads pairs, the prompts that come first."""

    texts: Sequence[str]
    labels: np.ndarray
    prompts: Sequence[str] | None = None


def fine_tune(
    backbone: Backbone,
    task: Task,
    validation: Task,
    quality: Quality,
    recipe: Recipe,
    seed: int,
    *,
    checkpoints: Path | None = None,
    on_progress: Progress | None = None,
) -> tuple[SequenceClassifier, list[dict[str, float]]]:
    """Return the classifier with the weights of the best epoch, and the history: per epoch `loss`, and `quality_0` onwards.

    Args:
        backbone: is trained in place.
        checkpoints: a folder of this run's own; a checkpoint of the same run in it is gone on from, and removed at the end.

    Raises:
        ModelError: the loss is not finite, or bf16 is asked for where the device has none.
    """
    torch_device, half = backbone.device, _half(recipe, backbone.device)
    run = _Run(backbone, task, recipe, seed)
    key = fingerprint([asdict(recipe), seed, backbone.fingerprint, _digest(task), _digest(validation), str(half)])
    standing = read_checkpoint(checkpoints, key, backbone.module, run.optimizer) if checkpoints else Standing()
    classifier = SequenceClassifier("fine-tuned", backbone.module, backbone.tokenizer, fingerprint=key)
    checkpointing = _Pace()
    while standing.step < run.total and not _patience_is_over(standing, recipe):
        started = time.perf_counter()
        standing.losses.append(run.step(standing.step, torch.autocast(torch_device.type, torch.bfloat16, enabled=half)))
        standing.step += 1
        if standing.step % run.per_epoch == 0:
            _finish_epoch(standing, classifier, validation, quality)
        standing.seconds += time.perf_counter() - started
        if checkpoints and standing.step < run.total and checkpointing.is_due():
            with checkpointing:
                write_checkpoint(checkpoints, key, standing, backbone.module, run.optimizer)
        if on_progress:
            on_progress(standing.step, run.total, _note(standing, run.per_epoch, recipe.epochs))
    _put_back(backbone.module, standing.best)
    if checkpoints:
        forget_checkpoint(checkpoints)
    return classifier, standing.history


class _Pace:
    """When to write the next checkpoint; as a context it times the writing of one."""

    def __init__(self) -> None:
        self._ended, self._began, self._cost = time.monotonic(), 0.0, 0.0

    def is_due(self) -> bool:
        return time.monotonic() - self._ended > max(CHECKPOINT_SECONDS, self._cost / CHECKPOINT_SHARE)

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._ended = time.monotonic()
        self._cost = self._ended - self._began


class _Run:
    """The optimizer and the batches of one training run."""

    def __init__(self, backbone: Backbone, task: Task, recipe: Recipe, seed: int) -> None:
        self.backbone, self.recipe, self.seed = backbone, recipe, seed
        self.rows = _tokenise(backbone, task, recipe.max_tokens)
        self.labels = np.asarray(task.labels, dtype=np.int64)
        counts = np.bincount(self.labels, minlength=2)
        balanced = len(self.labels) / (2 * np.maximum(counts, 1))
        self.weights = torch.tensor(balanced if recipe.class_weights else [1.0, 1.0], dtype=torch.float32, device=backbone.device)
        self.per_epoch = math.ceil(len(self.rows) / recipe.batch_size)
        self.total = recipe.epochs * self.per_epoch
        decay = [value for name, value in backbone.module.named_parameters() if value.ndim > 1]
        plain = [value for name, value in backbone.module.named_parameters() if value.ndim <= 1]
        groups = [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        # One pass over the weights instead of a dozen; half of a step's time on a CPU would be the optimizer's otherwise.
        fused = backbone.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=fused)
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def step(self, number: int, autocast: Any) -> float:
        """Make optimizer step `number` and return its loss."""
        rows = self._batches(number // self.per_epoch)[number % self.per_epoch]
        module = self.backbone.module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * _schedule(number, self.total, self.recipe.warmup)
        batch = self.backbone.tokenizer.pad([self.rows[row] for row in rows], return_tensors="pt").to(self.backbone.device)
        truth = torch.from_numpy(self.labels[rows]).to(self.backbone.device)
        with torch.random.fork_rng():
            torch.manual_seed(int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]))
            with autocast:
                logits = module(**batch).logits
        each = torch.nn.functional.cross_entropy(logits.float(), truth, reduction="none")
        # Divided by the rows and not by their weights, so that every example pulls alike in whatever batch it falls.
        loss = (each * self.weights[truth]).mean()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(f"fine-tuning: the loss became {value} at step {number}; lower learning_rate, or set precision: float32")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        self.optimizer.step()
        return value

    def _batches(self, epoch: int) -> list[np.ndarray]:
        if self._epoch[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            lengths = np.array([len(row["input_ids"]) for row in self.rows])
            self._epoch = (epoch, list(_bucketed(lengths, self.recipe.batch_size, rng)))
        return self._epoch[1]


def _tokenise(backbone: Backbone, task: Task, max_tokens: int) -> list[dict[str, Any]]:
    longest = min(max_tokens, _longest(backbone.module.config, backbone.tokenizer) or max_tokens)
    first = list(task.texts) if task.prompts is None else list(task.prompts)
    second = None if task.prompts is None else list(task.texts)
    found = backbone.tokenizer(first, second, truncation=True, max_length=longest)
    return [{name: values[row] for name, values in found.items()} for row in range(len(first))]


def _bucketed(lengths: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the rows of one epoch in batches of similar length, in random order; only the last may be smaller."""
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), size * _BUCKET):
        part = order[start : start + size * _BUCKET]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[at : at + size] for at in range(0, len(part), size)]
    for place in rng.permutation(len(batches)):
        yield batches[place]


def _schedule(step: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step: up in a line over `warmup` of the steps, then down in a line to 0."""
    rise = max(1, round(warmup * total))
    return (step + 1) / rise if step < rise else max(0.0, (total - step) / max(1, total - rise))


def _half(recipe: Recipe, device: torch.device) -> bool:
    """Return whether to compute in bf16: where a GPU has it, and on CPUs that compute it natively (1.5 times faster at an equal loss)."""
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else native_bfloat16(device)
    if recipe.precision == "bf16" and not fast and device.type != "cpu":
        raise ModelError(f"fine-tuning: precision bf16, but {device} does not compute in it; use precision: float32 or auto")
    return recipe.precision == "bf16" or (recipe.precision == "auto" and fast)


def _finish_epoch(standing: Standing, classifier: SequenceClassifier, validation: Task, quality: Quality) -> None:
    classifier.module.eval()
    texts, prompts = list(validation.texts), None if validation.prompts is None else list(validation.prompts)
    found = classifier.probabilities(texts if prompts is None else prompts, None if prompts is None else texts)[:, 1]
    reached = quality(found)
    earlier = [tuple(value for name, value in sorted(row.items()) if name.startswith("quality")) for row in standing.history]
    standing.history.append({"loss": float(np.mean(standing.losses))} | {f"quality_{place}": value for place, value in enumerate(reached)})
    standing.losses.clear()
    if not earlier or reached > max(earlier):
        standing.best_epoch = len(standing.history) - 1
        standing.best = {name: value.detach().float().cpu().numpy().copy() for name, value in classifier.module.named_parameters()}


def _patience_is_over(standing: Standing, recipe: Recipe) -> bool:
    return recipe.patience is not None and len(standing.history) - 1 - standing.best_epoch >= recipe.patience and bool(standing.history)


def _put_back(module: Any, best: dict[str, np.ndarray]) -> None:
    module.eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(best[name]))


def _note(standing: Standing, per_epoch: int, epochs: int) -> str:
    epoch = min(epochs, standing.step // per_epoch + (standing.step % per_epoch > 0))
    best = f", best validation {standing.history[standing.best_epoch]['quality_0']:.3f}" if standing.history else ""
    return f"epoch {epoch}/{epochs}{best}"


def _digest(task: Task) -> str:
    return fingerprint([list(task.texts), np.asarray(task.labels).tolist(), None if task.prompts is None else list(task.prompts)])
