"""The warehouse at scale: 10 million responses over 20,000 configurations, one parquet file per partition as stages write them.

Figures: seconds to publish (load), per query, and for the report, whose size is shown; peak memory of each step's process.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from asteer_core.report import write_report
from asteer_core.types import Configuration
from asteer_core.warehouse import Store, publish, query, table
from benchmarks._table import machine, quick, show

STUDY, MODEL = "scale", "synthetic"
METHODS = ("caa", "pca", "probe", "angular")
WORDS = np.array("report was filed on time and nobody asked why number had changed since we met last spring in town".split())  # noqa: SIM905
ROUNDS = 5
Timing = tuple[float, float]

QUERIES = {
    "leaderboard, 20 best": "FROM leaderboard WHERE arm = 'steered' ORDER BY auroc DESC LIMIT 20",
    "leaderboard, all rows": "FROM leaderboard",
    "beats_prompting": "FROM beats_prompting",
    "metric_auroc_correlation": "FROM metric_auroc_correlation",
    "narrow_band": "FROM narrow_band",
    "regret": "FROM regret",
    "audit_flags": "FROM audit_flags",
    "responses of one configuration": (
        "SELECT count(text) FROM responses WHERE concept = 'c00' AND configuration_id = (SELECT min(configuration_id) FROM corpora)"
    ),
    "count of all responses": "SELECT count(*) FROM responses",
}


def configurations(concept: str, count: int) -> list[Configuration]:
    """Return steered configurations of one concept, the methods in turn, and its prompted baselines at the end."""
    steered = [Configuration(concept, MODEL, METHODS[i % 4], i // 40, 0.1 + 0.08 * (i // 4 % 10)) for i in range(count - 4)]
    return [*steered, *(Configuration(concept, MODEL, "prompted", template=f"t{i}") for i in range(4))]


def write_concept(root: Path, concept: str, count: int, rows: int) -> None:
    """Write the partitions of one concept."""
    rng = np.random.default_rng(int(concept[1:]))
    sentences = [" ".join(rng.choice(WORDS, 16)) for _ in range(2000)]
    for configuration in configurations(concept, count):
        fields = ("concept", "model", "method", "layer", "strength", "template", "seed")
        identity = {"study": STUDY, "configuration_id": configuration.id} | {name: getattr(configuration, name) for name in fields}
        texts = [sentences[i] for i in rng.integers(0, len(sentences), rows)]
        numbers = {"row_id": [f"{configuration.id}/{i}" for i in range(rows)], "text": texts, "prompt": texts[::-1], "sample": [0] * rows}
        write(root, "responses", configuration, pl.DataFrame(numbers).with_columns(pl.lit(v).alias(k) for k, v in identity.items()))
        s, c, d = rng.random(3)
        hm = 3 / (1 / s + 1 / c + 1 / d)
        metrics = {"success": s, "coherence": c, "diversity": d, "hm": hm, "am": (s + c + d) / 3, "min": min(s, c, d), "mean_length": 16.0}
        write(root, "corpus_metrics", configuration, pl.DataFrame([identity | metrics]))
        write(root, "corpora", configuration, pl.DataFrame([identity | {"n": rows, "n_tokens": 20 * rows}]))
        auroc = float(np.clip(0.6 + 0.2 * s + rng.normal(0, 0.05), 0, 1))
        arm = "prompted" if configuration.method == "prompted" else "steered"
        ends = {"difference": auroc - 0.7, "difference_lo": auroc - 0.73, "difference_hi": auroc - 0.67, "p": float(rng.random())}
        quality = {"arm": arm, "detector": "embedding", "auroc": auroc, "flags": "length" if s > 0.9 else "", "length_auroc": float(s)}
        write(root, "detector_metrics", configuration, pl.DataFrame([identity | quality | ends]))


def write(root: Path, name: str, configuration: Configuration, frame: pl.DataFrame) -> None:
    """Write one partition in the declared layout, without the flush to disk that a stage does: the data need not survive a power cut."""
    schema = table(name).polars_schema
    missing = [pl.lit(None, kind).alias(column) for column, kind in schema.items() if column not in frame.columns]
    path = Store(root).path(name, configuration.concept, configuration.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(missing).select(pl.col(column).cast(kind) for column, kind in schema.items()).write_parquet(path)


def alone(step: Callable[..., Timing], *arguments: object) -> tuple[float, float, float]:
    """Return the seconds by the clock, those of the processor, and the peak memory in MiB of the process of its own that ran `step`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, step, *arguments).result()


def _measured(step: Callable[..., Timing], *arguments: object) -> tuple[float, float, float]:
    seconds, busy = step(*arguments)
    return seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], object]) -> Timing:
    """Return the seconds that `work` takes, by the clock and of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def load(root: Path) -> Timing:
    """Publish the warehouse."""
    return timed(lambda: publish({STUDY: root / STUDY}, root / "warehouse.duckdb"))


def ask(root: Path, sql: str) -> Timing:
    """Return the median seconds of a query, opening the warehouse included."""
    rounds = [timed(lambda: query(sql, root / "warehouse.duckdb")) for _ in range(ROUNDS)]
    return statistics.median(seconds for seconds, _ in rounds), statistics.median(busy for _, busy in rounds)


def report(root: Path) -> Timing:
    """Write the report."""
    return timed(lambda: write_report(STUDY, root / "report.html", root / "warehouse.duckdb"))


def main(small: bool) -> None:
    """Print the table."""
    concepts, each, rows = (4, 25, 20) if small else (20, 1000, 500)
    root = Path(tempfile.mkdtemp(prefix="asteer-warehouse-"))
    try:
        start = time.perf_counter()
        for number in range(concepts):
            write_concept(root / STUDY, f"c{number:02}", each, rows)
        made = time.perf_counter() - start
        size = sum(path.stat().st_size for path in root.rglob("*.parquet")) / 1e6
        steps = [("publish (load)", *alone(load, root))]
        steps += [(name, *alone(ask, root, sql)) for name, sql in QUERIES.items()]
        seconds = alone(report, root)
        steps.append((f"report, {(root / 'report.html').stat().st_size / 1e6:.1f} MB", *seconds))
    finally:
        shutil.rmtree(root)
    note = f"{machine()}; {4 * concepts * each:,} parquet files, {size:,.0f} MB, written in {made:.0f} s"
    show(
        f"Warehouse: {concepts * each * rows:,} responses over {concepts * each:,} configurations",
        ["what", "seconds", "CPU seconds", "peak MiB"],
        [[name, f"{seconds:.2f}", f"{busy:.2f}", f"{memory:.0f}"] for name, seconds, busy, memory in steps],
        f"{note}; queries: median of {ROUNDS}, opening the warehouse included",
    )


if __name__ == "__main__":
    main(quick(__doc__))
