"""A small synthetic study on disk: two concepts, one model, steered configurations and baselines, with everything written as stages do."""

import shutil

import numpy as np
import polars as pl
import pytest

from asteer_core.types import Configuration
from asteer_core.warehouse import Store, publish, table

CONCEPTS = ("toxicity", "evasion")
METHODS = ("caa", "pca")
STRENGTHS = (0.2, 0.4, 0.6, 0.8)


def frame_of(name: str, rows: list[dict]) -> pl.DataFrame:
    """Return rows as the declared frame of a table; what is not given is NULL."""
    schema = table(name).polars_schema
    return pl.DataFrame([{column: row.get(column) for column in schema} for row in rows], schema=schema)


def identity_of(study: str, configuration: Configuration) -> dict:
    fields = ("concept", "model", "method", "layer", "strength", "template", "seed")
    return {"study": study, "configuration_id": configuration.id} | {field: getattr(configuration, field) for field in fields}


def scored(row: dict, rng: np.random.Generator) -> dict:
    s, c, d = rng.random(3).round(1)  # rounded, so that there are ties
    values = {"success": s, "coherence": c, "diversity": d, "am": (s + c + d) / 3, "min": min(s, c, d), "mean_length": 20.0, "m": 8, "n": 8}
    hm = None if row["strength"] == STRENGTHS[-1] else float(3 / (1 / (s + 0.01) + 1 / (c + 0.01) + 1 / (d + 0.01)))
    return row | values | {"hm": hm, "reason": "diversity undefined" if hm is None else None, "metric_version": "1"}


def detected(row: dict, arm: str, rng: np.random.Generator) -> dict:
    auroc = round(rng.uniform(0.5, 0.9), 2)
    difference = auroc - 0.7
    values = {"auroc": auroc, "auroc_lo": auroc - 0.03, "auroc_hi": auroc + 0.03, "difference": difference}
    ends = {"difference_lo": difference - 0.05, "difference_hi": difference + 0.05, "p": float(rng.random() ** 3 * 0.3), "seeds": 3}
    best = {"difference_best": difference - 0.04, "difference_best_lo": difference - 0.09, "p_best": None if rng.random() < 0.2 else 0.01}
    return row | values | ends | best | {"arm": arm, "detector": "embedding", "n_positives": 8, "n_negatives": 8}


def write_partition(store: Store, study: str, configuration: Configuration, arm: str, rng: np.random.Generator) -> None:
    row, concept, key = identity_of(study, configuration), configuration.concept, configuration.key
    texts = [row | {"row_id": f"{configuration.id}/{i}", "prompt": "p", "text": f"it's {i}", "n_tokens": i, "sample": 0} for i in range(8)]
    store.write("responses", frame_of("responses", texts), "k", concept, key)
    store.write("corpus_metrics", frame_of("corpus_metrics", [scored(row, rng)]), "k", concept, key)
    store.write("detector_metrics", frame_of("detector_metrics", [detected(row, arm, rng)]), "k", concept, key)


def write_study(root, study: str = "demo", seed: int = 0) -> Store:
    """Write two concepts x two methods x two layers x four strengths, with an unsteered and a prompted baseline, under `root`."""
    store, rng = Store(root), np.random.default_rng(seed)
    for concept in CONCEPTS:
        for method in METHODS:
            for layer in (1, 2):
                for strength in STRENGTHS:
                    write_partition(store, study, Configuration(concept, "tiny", method, layer, strength), "steered", rng)
        write_partition(store, study, Configuration(concept, "tiny", "unsteered"), "unsteered", rng)
        write_partition(store, study, Configuration(concept, "tiny", "prompted", template="blunt"), "prompted", rng)
    return store


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Store:
    return write_study(tmp_path_factory.mktemp("store"))


@pytest.fixture
def store(written, tmp_path) -> Store:
    """A store of the test's own, in a folder whose name has all that SQL and globs give a meaning to."""
    return Store(shutil.copytree(written.root, tmp_path / "it's a [store] *?"))


@pytest.fixture(scope="session")
def shared_warehouse(written, tmp_path_factory):
    """A warehouse for tests that only read."""
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    publish({"demo": written.root}, path)
    return path


@pytest.fixture
def warehouse(store, tmp_path):
    """A warehouse of the test's own, over its own store."""
    path = tmp_path / "warehouse.duckdb"
    publish({"demo": store.root}, path)
    return path
