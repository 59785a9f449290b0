"""What grows with configurations and prompt length: tokens per second, peak memory, and the share of the machine's limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn

from asteer_core.model import LanguageModel, generate
from benchmarks._model import additions, benchmark_model, exactly, requests, texts
from benchmarks._table import machine, quick, show

_MIB = 2**20


@contextmanager
def peak() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the most memory in use since, in MiB above the start (device memory on a GPU)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        yield lambda: (torch.cuda.max_memory_allocated() - start) / _MIB
        return
    # Only Linux tells how much memory is in use now; elsewhere the column shows nan. Writing 5 sets its high-water mark anew (proc(5)).
    if (mark := Path("/proc/self/clear_refs")).exists():
        mark.write_text("5")
    start = _status("VmRSS")
    yield lambda: _status("VmHWM") - start


def _status(name: str) -> float:
    file = Path("/proc/self/status")
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines()) if file.exists() else {}
    return int(lines[name].split()[0]) / 1024 if name in lines else math.nan


def limit(model: LanguageModel, rows: int) -> tuple[float, float]:
    """Return what bare multiplication allows at `rows` rows: FLOP/s of all weight matrices in turn, and tokens/s if nothing else ran.

    On a GPU, where a step reads every weight once and that read is the limit, the second figure comes from measured copy bandwidth.
    """
    matrices = [module for module in model.module.modules() if isinstance(module, nn.Linear)]
    weights = sum(module.weight.numel() for module in matrices)
    inputs = [torch.randn(rows, module.in_features, device=model.device, dtype=model.dtype) for module in matrices]
    with torch.inference_mode():
        seconds = _best(lambda: [module(value) for module, value in zip(matrices, inputs, strict=True)])
        if model.device.type == "cuda":
            block = torch.empty(2**28, dtype=torch.uint8, device=model.device)
            bandwidth = 2 * block.numel() / _best(lambda: block.clone())
            return 2 * weights * rows / seconds, rows * bandwidth / (weights * model.dtype.itemsize)
    return 2 * weights * rows / seconds, rows / seconds


def _best(run: Callable[[], object], rounds: int = 10) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(configurations: int, words: int, tokens: int, rows: int) -> list[object]:
    """Return one line of the table."""
    model = benchmark_model()
    table = additions(configurations)
    generate(model, requests(list(table)[:1], texts(2, words, words)), table, exactly(tokens))
    asked = requests(list(table), texts(rows, words, words))
    start = time.perf_counter()
    with peak() as most:
        generate(model, asked, table, exactly(tokens))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds, memory = time.perf_counter() - start, most()
    speed = rows * tokens / seconds
    flops, bound = limit(model, rows)
    # Reading a prompt costs multiplications too; only the output matrix is spared there.
    matrices = [module for module in model.module.modules() if isinstance(module, nn.Linear)]
    body = sum(module.weight.numel() for module in matrices) - model.module.get_output_embeddings().weight.numel()
    done = 2 * (body * rows * words + (body + model.module.get_output_embeddings().weight.numel()) * rows * tokens) / seconds
    share = speed / bound if model.device.type == "cuda" else done / flops
    return [configurations, words, rows, speed, f"{memory:.0f}", f"{done / 1e9:.1f}", f"{flops / 1e9:.1f}", f"{share:.2f}"]


def main(small: bool) -> None:
    """Print the tables over configurations and over prompt length."""
    columns = ["configurations", "prompt words", "rows", "tokens/s", "peak MiB", "GFLOP/s", "matmul GFLOP/s", "share of limit"]
    note = f"{machine()}; GFLOP/s of the weight matrices over those of bare matmuls of their shapes (GPU: weights read / copy bandwidth)"
    counts, lengths, tokens = ((1, 16), (16, 64), 4) if small else ((1, 4, 16, 64, 256), (16, 64, 256, 512), 32)
    # A process for each line: memory that an earlier line returned to the allocator would hide what a later one needs.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        rows = [alone.submit(measure, count, 24, tokens, 64 if small else 256).result() for count in counts]
        show("Growth with configurations in the batch", columns, rows, note)
        rows = [alone.submit(measure, 16, length, tokens, 16 if small else 64).result() for length in lengths]
        show("Growth with prompt length", columns, rows, note)


if __name__ == "__main__":
    main(quick(__doc__))
