"""What the chaos tests share: the budget, the figures of the summary, a study of seconds, and processes to kill."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asteer_core.paths import data_root

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))
FULL, CI = "full", "ci"
ROWS = {"pairs.jsonl": 12, "prompts.jsonl": 8, "judge.jsonl": 24, "real.jsonl": 20}
STUDY = {
    "name": "chaos",
    "concepts": ["evasion"],
    "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [0], "strengths": [0.3, 0.6]}],
    "controls": {"random": {"layers": [0], "strengths": [0.4]}, "templates": 1},
    "sampling": {"max_new_tokens": 12},
    "size": {"prompts": 8},
    "metrics": {"m": 4, "subsamples": 2},
    "detectors": {"kinds": ["tfidf"], "seeds": 1, "bootstrap": 50},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the whole budget is spent: ASTEER_CHAOS_BUDGET is `full`; by default it is `ci`."""
    budget = os.environ.get("ASTEER_CHAOS_BUDGET") or CI
    if budget not in (CI, FULL):
        raise pytest.UsageError(f"ASTEER_CHAOS_BUDGET={budget!r}; expected {CI!r} or {FULL!r}")
    return budget == FULL


@pytest.fixture(scope="session")
def figure() -> Callable[..., None]:
    """Writes one line of the summary: (what, value, unit); into the file that ASTEER_CHAOS_FIGURES names, or to the terminal."""
    file = os.environ.get("ASTEER_CHAOS_FIGURES")

    def write(what: str, value: Any, unit: str = "") -> None:
        line = json.dumps({"what": what, "value": value, "unit": unit})
        if file:
            with Path(file).open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        else:
            print(line)

    return write


@pytest.fixture(scope="session")
def tiny_data(reduced_data) -> Path:
    """A data folder with one small concept and the shipped models."""
    root = reduced_data(("evasion",), ROWS)
    for file in data_root().glob("dagster*.yaml"):
        (root / file.name).write_text(file.read_text())
    return root


class Fork:
    """A warm process whose children run commands; see `forked.py`."""

    def __init__(self, data: Path, folder: Path) -> None:
        environment = {**os.environ, "ASTEER_DATA": str(data), "OMP_NUM_THREADS": "1", "DAGSTER_DISABLE_TELEMETRY": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "forked.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.study = folder / "chaos.yaml"
        self.study.write_text(yaml.safe_dump(STUDY))
        self.log = folder / "output.log"
        self._answer()

    def run(self, *runs: dict[str, Any]) -> list[dict[str, Any]]:
        """Return how the runs ended, all started together."""
        orders = [{"log": str(self.log), **run} for run in runs]
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def study_run(self, home: Path, command: str = "run", **faults: Any) -> dict[str, Any]:
        """Return how one run of the study ended; `output` is what it printed."""
        before = self.log.stat().st_size if self.log.exists() else 0
        ended = self.run({"argv": ["study", command, str(self.study), "--home", str(home)], "faults": faults})[0]
        with self.log.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(before)
            ended["output"] = stream.read()
        return ended

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that forks has ended with {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def fork(tiny_data, tmp_path_factory) -> Iterator[Fork]:
    made = Fork(tiny_data, tmp_path_factory.mktemp("fork"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def uninterrupted(fork, tmp_path_factory) -> dict[str, Any]:
    """The home of a study that nothing disturbed, its tokens, and how long it took."""
    home = tmp_path_factory.mktemp("uninterrupted")
    ended = fork.study_run(home, rows_to=[str(home / "rows.tsv")])
    assert ended["code"] == 0, ended["output"]
    return {"home": home, "seconds": ended["seconds"], "rows": home / "rows.tsv"}


@pytest.fixture(scope="module", autouse=True)
def count_cases(figure) -> Iterator[None]:
    """Adds a module's fuzzed cases to the summary."""
    from strategies import cases

    before = cases.total()
    yield
    if cases.total() > before:
        figure("cases", cases.total() - before, ", ".join(f"{count:,} {what}" for what, count in sorted(cases.items())))
        cases.clear()
