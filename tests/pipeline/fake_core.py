"""A core without models: the stages' generators over a folder of small files, with failures and slowness on demand.

Each partition writes one JSON file and is adopted on the next call, as the real stages do. `calls` counts what was computed.
"""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl

from asteer_core import study as core
from asteer_core.errors import AsteerError
from asteer_core.study.done import Done, Failures
from asteer_core.warehouse import Store

PARTITIONED = ("contrastive_prompts", "steering_vectors", "judges", "baseline_corpora", "steered_corpora", "baseline_measurements",
               "measurements", "baseline_metrics", "corpus_metrics", "baseline_detectors", "detectors")  # fmt: skip
WHOLE = ("saved_detectors", "leaderboard", "metric_auroc_correlation", "choice_regret", "warehouse", "report")

calls: list[tuple[str, str, str | None]] = []
broken: dict[tuple[str, str, str | None], str] = {}
crash: dict[str, BaseException] = {}
forgotten: set[tuple[str, str, str | None]] = set()
leaking: set[str] = set()


def reset() -> None:
    for table in (calls, broken, crash, forgotten, leaking):
        table.clear()


class FakeWorkspace:
    """Stands for `asteer_core.study.Workspace`."""

    def __init__(self, study, home=None, data_root=None, progress=None):
        self.study, self.home, self.progress = study, Path(home or os.environ["ASTEER_HOME"]), progress
        self.plan = core.plan(study)
        self.store = Store(self.home / "studies" / study.name)
        self.closed = False

    def concept(self, name):
        rows = pl.DataFrame({"group": ["a", "b"], "split": ["one", "two"]})
        leak = rows.with_columns(split=pl.lit("two")) if name in leaking else rows
        return SimpleNamespace(pairs=rows, prompts=rows, judge=rows, real=leak)

    def check_before_running(self):
        """Nothing is missing."""

    def close(self):
        self.closed = True


def _one(ws, stage, concept, key):
    path = ws.home / "fake" / stage / f"{concept}~{key}.json".replace(":", "~")
    if path.exists():
        return Done(concept, key, rows=3, reused=True, metadata=json.loads(path.read_text()))
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    calls.append((stage, concept, key))
    metadata = {"success": 0.5, "nothing": None, "note": "text"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metadata))
    return Done(
        concept, key, rows=3, metadata=metadata, curve={"x": [0, 1, 2], "y": [0.1, None, 0.9], "label": "S"},
        samples=({"text": "<script>alert(1)</script> `x` | ![i](http://e) \u202e", "success": 0.5},),
    )  # fmt: skip


def _stage(name):
    def partitioned(ws, wanted):
        failures = Failures(name)
        wanted = [(item, None) if isinstance(item, str) else item for item in wanted]
        for number, (concept, key) in enumerate(wanted):
            if (name, concept, key) in broken:
                failures.add(concept, key, AsteerError(broken[name, concept, key]))
                continue
            if (name, concept, key) not in forgotten:
                yield _one(ws, name, concept, key)
            if ws.progress:
                ws.progress(name, number + 1, len(wanted), "")
            if name in crash and number == 1:
                raise crash[name]
        failures.raise_if_any()

    def whole(ws):
        if (name, "", None) in broken:
            raise AsteerError(broken[name, "", None])
        yield _one(ws, name, "", None)

    return whole if name in WHOLE else partitioned


STAGES = {name: _stage(name) for name in (*PARTITIONED, *WHOLE)}


def install(setattr_) -> None:
    """Put the fakes in the place of the core's doors through `setattr_(object, name, value)`."""
    for name, stage in STAGES.items():
        setattr_(core, name, stage)
    setattr_(core, "Workspace", FakeWorkspace)
