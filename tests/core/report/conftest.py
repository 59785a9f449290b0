"""A published synthetic study with everything that a report shows, and texts that would act if they were not escaped."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asteer_core.analysis import beats_prompting, correlations, regret
from asteer_core.types import Configuration
from asteer_core.warehouse import Store, publish, query
from tests.core.warehouse.conftest import CONCEPTS, frame_of, write_partition, write_study
from tests.core.warehouse.test_views import frame_for_analysis

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> {{ 7*7 }} </script> \u202e =1+1"

INTERVALS = ("success", "coherence", "diversity", "hm", "hm_sc")


def write_study_with_everything(root) -> Store:
    """Write the synthetic study with two detector kinds, random directions, hostile texts, vectors, and what the analysis stores."""
    store, rng = write_study(root), np.random.default_rng(5)
    for concept in CONCEPTS:
        write_partition(store, "demo", Configuration(concept, "tiny", "random", 1, 0.4), "random", rng)
        write_partition(store, "demo", Configuration(concept, "tiny", "prompted", template="mild"), "prompted", rng)
        vectors = [
            {"study": "demo", "concept": concept, "model": "tiny", "method": method, "layer": layer, "separation": 0.6 + 0.1 * layer}
            for method in ("caa", "pca") for layer in (1, 2)
        ]  # fmt: skip
        store.write("steering_vectors", frame_of("steering_vectors", vectors), "k", concept, "tiny:all")
    for path in sorted((root / "detector_metrics").rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False).with_columns(
            flags=pl.lit("length"), length_auroc=pl.lit(0.9), generator_auroc=pl.lit(0.6), validation_auroc=1.4 - pl.col("auroc")
        )
        other = frame.with_columns(detector=pl.lit("tfidf"), difference=-pl.col("difference"))
        pl.concat([frame, other]).write_parquet(path)
    for path in sorted((root / "corpus_metrics").rglob("*.parquet")):
        ends = [
            (pl.col(name) + move).clip(0, 1).alias(f"{name}_{end}") for name in INTERVALS for end, move in (("lo", -0.06), ("hi", 0.05))
        ]
        pl.read_parquet(path, hive_partitioning=False).with_columns(ends).write_parquet(path)
    for path in sorted((root / "responses").rglob("*.parquet")):
        pl.read_parquet(path, hive_partitioning=False).with_columns(text=pl.lit(EVIL), prompt=pl.lit(EVIL)).write_parquet(path)
    return store


def publish_with_everything(store: Store, path: Path) -> None:
    """Publish a store with what the analysis stage would have written into it."""
    publish({"demo": store.root}, path)
    board = frame_for_analysis(path).filter(pl.col("arm") == "steered")
    rng = np.random.default_rng(0)
    for name, frame in {
        "beats_prompting": beats_prompting(board, rng, n_boot=50),
        "metric_auroc_correlation": correlations(board, n_boot=50, rng=rng),
        "regret": regret(board),
    }.items():
        store.write(name, frame, "k")
    publish({"demo": store.root}, path)


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """The warehouse of the study."""
    root = tmp_path_factory.mktemp("reported")
    path = root / "warehouse.duckdb"
    publish_with_everything(write_study_with_everything(root / "demo"), path)
    assert query("SELECT count(*) FROM leaderboard", path).item() == 80
    return path
