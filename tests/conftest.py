"""What every test may use: a seeded generator and the settings of hypothesis."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from asteer_core.paths import data_root
from asteer_core.study import Study, parse_study

# Deadlines fail on a loaded machine, not on wrong code; derandomised, since a test that fails must fail again.
settings.register_profile("asteer", deadline=None, derandomize=True)
settings.load_profile("asteer")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# Rows kept per split and label: enough for every stage, few enough for seconds.
ROWS = {"pairs.jsonl": 30, "prompts.jsonl": 40, "judge.jsonl": 60, "real.jsonl": 40}


@pytest.fixture(scope="session")
def reduced_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str], dict[str, int]], Path]:
    """A function that makes a data folder: the shipped models, and of each named concept the first rows per split and label."""
    shipped = data_root()

    def first_rows(file: Path, limit: int) -> str:
        seen: Counter[tuple[str, int | None]] = Counter()
        kept = []
        for line in file.read_text().splitlines():
            row = json.loads(line)
            seen[row["split"], row.get("label")] += 1
            if seen[row["split"], row.get("label")] <= limit:
                kept.append(line + "\n")
        return "".join(kept)

    def make(concepts: Sequence[str], rows: dict[str, int]) -> Path:
        root = tmp_path_factory.mktemp("data")
        (root / "models").symlink_to(shipped / "models")
        shutil.copy(shipped / "models.yaml", root)
        for concept in concepts:
            folder = root / "concepts" / concept
            folder.mkdir(parents=True)
            shutil.copy(shipped / "concepts" / concept / "concept.yaml", folder)
            for file, limit in rows.items():
                (folder / file).write_text(first_rows(shipped / "concepts" / concept / file, limit))
        return root

    return make


@pytest.fixture(scope="session")
def small_data(reduced_data) -> Path:
    """A data folder with the shipped models and the first rows of two shipped concepts."""
    return reduced_data(("toxicity", "evasion"), ROWS)


@pytest.fixture(scope="session")
def small_study() -> Study:
    """Two concepts, one shipped model, four configurations and every baseline."""
    value = {
        "name": "small",
        "concepts": ["toxicity", "evasion"],
        "models": ["neox-2m"],
        "grid": [{"method": "caa", "layers": [1], "strengths": [0.4]}, {"method": "angular", "layers": [1], "strengths": [0.5]}],
        "controls": {"random": {"layers": [1], "strengths": [0.4]}, "templates": 2},
        "sampling": {"max_new_tokens": 24},
        "size": {"prompts": 16},
        "metrics": {"m": 8, "subsamples": 4},
        "detectors": {"seeds": 2, "bootstrap": 50},
    }
    return parse_study(value, "small")


@pytest.fixture(scope="session")
def with_static_table() -> Callable[[Path], Path]:
    """A function that puts a table of static embeddings of drawn vectors into a home: distilling a real one takes half a minute."""
    from asteer_core.model.static_embeddings import VERSION, WIDTH, static_path
    from asteer_core.tensors import write_tensors

    def make(home: Path) -> Path:
        drawn = np.random.default_rng(0).normal(size=(30_522 + 1, WIDTH))
        drawn *= np.linspace(0, 1, len(drawn))[:, None] ** 0.5  # rare words weigh more
        write_tensors(static_path(home), "static embeddings", VERSION, {}, {"vectors": drawn.astype(np.float16)})
        return home

    return make
