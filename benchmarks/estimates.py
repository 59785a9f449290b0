"""What `asteer study plan` says of a first run, over what the run takes: whole, and stage by stage. Each run has an empty home of its own.

The CPU seconds of a run with one thread hardly depend on what else the machine does; its wall seconds do, and so do those of more threads,
which wait for each other in vain where others take the cores. An estimate is of wall seconds on an idle machine, a fifth above CPU seconds.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from asteer_core.study import load_study, plan
from asteer_core.study.estimate import Estimate, cpu_cores, estimate
from benchmarks._table import machine, quick, show

HALF: dict[str, Any] = {
    "name": "half", "concepts": ["sycophancy", "evasion"], "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [0], "strengths": [0.3, 0.5]}, {"method": "angular", "layers": [0], "strengths": [0.45, 0.85]}],
    "controls": {"random": {"layers": [0], "strengths": [0.4]}, "templates": 2}, "sampling": {"max_new_tokens": 72},
    "size": {"prompts": 48}, "metrics": {"m": 40}, "detectors": {"kinds": ["embedding", "tfidf"], "seeds": 3},
}  # fmt: skip
"""Another model, other concepts, other sizes than `quick`."""
SMALL = HALF | {"name": "small", "concepts": ["evasion"], "size": {"prompts": 8}, "metrics": {"m": 4}, "sampling": {"max_new_tokens": 12}}
TOGETHER = "results"


@dataclass(frozen=True)
class Taken:
    """What a run took: wall and CPU seconds of the process, and wall seconds by stage."""

    wall: float
    cpu: float
    stages: dict[str, float]


def run(study: str, home: Path, threads: int) -> Taken:
    """Run a study in an empty home, in a process of its own, and return what it took."""
    command = [sys.executable, "-m", "asteer_pipeline.cli", "study", "run", study, "--home", str(home)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    before, start = _children(), time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(ended.stderr[-4000:])
    wall, cpu = time.perf_counter() - start, _children() - before
    # The logbook's files: the warehouse is published before its own stage and the report are in it.
    logbook = pl.read_parquet(home / "studies" / "*" / "runs" / "*.parquet").group_by("stage").agg(pl.col("seconds").sum())
    return Taken(wall, cpu, dict(logbook.rows()))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_stage(expected: Estimate, taken: Taken) -> list[list[object]]:
    """Return stage, seconds expected, seconds taken, and their ratio; what is short stands together, what no stage holds as the start."""
    named = {stage: taken.stages.pop(stage, 0.0) for stage in dict(expected.stages)}
    named |= {TOGETHER: sum(taken.stages.values())}
    named["start"] = taken.wall - sum(named.values())
    return [
        [stage, f"{seconds:.1f}", f"{named[stage]:.1f}", f"{seconds / max(named[stage], 0.1):.2f}"] for stage, seconds in expected.stages
    ]


def measure(study: str, threads: int) -> tuple[list[object], list[list[object]]]:
    """Return the line of one run, and its stages."""
    with tempfile.TemporaryDirectory() as folder:
        read = load_study(study)
        expected = estimate(read, plan(read), Path(folder), threads)
        taken = run(study, Path(folder), threads)
    if expected.seconds is None:
        raise ValueError(f"{study}: {expected.basis}")
    ratios = [f"{expected.seconds / seconds:.2f}" for seconds in (taken.wall, taken.cpu)]
    return [read.name, threads, expected.seconds, taken.wall, ratios[0], taken.cpu, ratios[1]], by_stage(expected, taken)


def main(small: bool) -> None:
    """Print a line for each study and number of threads, and the stages of each study on one thread."""
    rows, tables = [], {}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other.yaml"
        other.write_text(yaml.safe_dump(SMALL if small else HALF))
        for study in [str(other)] if small else ["quick", str(other)]:
            for threads in [1] if small else sorted({1, cpu_cores()}):
                line, stages = measure(study, threads)
                rows.append(line)
                # Runs take minutes; what is known is not lost with a later one.
                print(f"{line[0]}, {threads} threads: estimated {line[2]:.0f} s, wall {line[3]:.0f} s, CPU {line[5]:.0f} s", flush=True)
                if threads == 1:
                    tables[line[0]] = stages
    columns = ["study", "threads", "estimated s", "wall s", "/ wall", "CPU s", "/ CPU"]
    show("First run: estimated / measured", columns, rows, f"{machine()}; load of the machine afterwards {os.getloadavg()[0]:.1f}")
    for name, stages in tables.items():
        show(f"Stages of {name}, one thread", ["stage", "estimated s", "wall s", "ratio"], stages)


if __name__ == "__main__":
    main(quick(__doc__))
