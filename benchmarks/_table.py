"""Timing in turns, and tables. What does not belong here: models and prompts (`_model.py`)."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from rich.console import Console
from rich.table import Table


def quick(description: str | None) -> bool:
    """Return whether the command line asks for the small sizes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast")
    return parser.parse_args().quick


def in_turns(runs: Mapping[str, Callable[[], float | None]], rounds: int) -> dict[str, list[float]]:
    """Return seconds per round, by name; each round runs everything once, so that a slow moment of the machine meets all alike.

    A run may return seconds of its own measuring (another process); else the call is timed. One unmeasured round comes first.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            own = run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - start if own is None else own)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, base: str) -> tuple[float, float, float]:
    """Return how many times faster `name` is than `base`: the median over rounds, the least and the most."""
    each = [slow / fast for fast, slow in zip(seconds[name], seconds[base], strict=True)]
    return statistics.median(each), min(each), max(each)


def spread(value: tuple[float, float, float]) -> str:
    """Return a ratio with its range over rounds."""
    return f"{value[0]:.2f} ({value[1]:.2f}-{value[2]:.2f})"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
    """Print a table, numbers to the right."""
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,.0f}" if isinstance(cell, float) else str(cell) for cell in row))
    # A pipe has no width; rich would take 80 columns and break the cells.
    console = Console()
    Console(width=max(console.width, 110)).print(table)


def machine() -> str:
    """Return what the figures were measured on."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}"
