"""Backfills of a running `asteer ui`, asked for as its pages do, and what became of their runs.

What does not belong here: the servers (`tests/serving.py`), and what must hold of the results (the tests).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from asteer_pipeline.instance import dagster_home
from tests.serving import Served

LAUNCH = """
mutation { launchPartitionBackfill(backfillParams: {assetSelection: [%s], %s}) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
} }
"""
BACKFILLS = "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id status error { message } } } } }"
RUNS = "{ runsOrError { ... on Runs { results { id status } } } }"
EVENTS = '{ logsForRun(runId: "%s") { ... on EventConnection { events { ... on MessageEvent { level message stepKey } } } } }'
READY = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
NODES = """
{ assetNodes {
    assetKey { path }
    partitionStats { numPartitions numMaterialized }
    assetMaterializations { partition }
} }
"""
UNWANTED = re.compile(r"traceback|\block(s|ed|file)?\b", re.IGNORECASE)
OVER = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")


def with_gpus(home: Path, number: int) -> None:
    """Configure a new home for so many GPUs: with the one of the shipped instance, runs that load a language model take turns."""
    file = dagster_home(home) / "dagster.yaml"
    text = file.read_text()
    assert text.count("default_limit: 1") == 1
    file.write_text(text.replace("default_limit: 1", f"default_limit: {number}"))


def launch(served: Served, assets: Sequence[str], partitions: Sequence[str] | None = None) -> str:
    """Return the id of a new backfill over some assets: of the partitions that are named, or of all there are."""
    keys = ", ".join(f'{{path: ["{name}"]}}' for name in assets)
    which = "allPartitions: true" if partitions is None else f"partitionNames: {json.dumps(list(partitions))}"
    launched = served.ask(LAUNCH % (keys, which))["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return launched["backfillId"]


def ended(served: Served, wanted: Sequence[str]) -> dict[str, str] | None:
    """Return id -> status once all of some backfills are over, else None; the daemon's own errors fail at once."""
    asked = served.ask(BACKFILLS)
    found = {one["id"]: one for one in asked["partitionBackfillsOrError"]["results"]} if asked else {}
    errors = [one["error"]["message"] for one in found.values() if one["error"]]
    assert not errors, errors
    over = {name: found[name]["status"] for name in wanted if name in found and found[name]["status"] in OVER}
    return over if len(over) == len(wanted) else None


def runs(served: Served) -> dict[str, str]:
    """Return id -> status of every run."""
    asked = served.ask(RUNS)
    return {run["id"]: run["status"] for run in asked["runsOrError"]["results"]} if asked else {}


def finished(served: Served) -> dict[str, str]:
    """Return id -> status of every run that is over."""
    return {run: status for run, status in runs(served).items() if status in ("SUCCESS", "FAILURE", "CANCELED")}


def assets(served: Served) -> list[str]:
    """Return the names of all assets, those that are made on demand included: what "Materialize all" on the graph selects."""
    return [_name(node) for node in served.ask(NODES)["assetNodes"]]


def materialised(served: Served) -> dict[tuple[str, str | None], int]:
    """Return how often each partition of each asset, by (asset, partition), was recorded; 0 as (asset, "missing") where any is not."""
    found: dict[tuple[str, str | None], int] = {}
    for node in served.ask(NODES)["assetNodes"]:
        for event in node["assetMaterializations"]:
            place = (_name(node), event["partition"])
            found[place] = found.get(place, 0) + 1
        stats = node["partitionStats"]
        if stats["numMaterialized"] < stats["numPartitions"] if stats else not node["assetMaterializations"]:
            found[_name(node), "missing"] = 0
    return found


def _name(node: dict) -> str:
    return "/".join(node["assetKey"]["path"])


def complaints(served: Served) -> list[str]:
    """Return what the runs' logs, as their pages show them, hold above a note: warnings and errors."""
    found = []
    for run in runs(served):
        for event in served.ask(EVENTS % run)["logsForRun"]["events"]:
            if event["level"] in ("WARNING", "ERROR", "CRITICAL"):
                found.append(f"{event['stepKey']}: {event['message']}")
    return found


def unwanted(home: Path, *logs: Path) -> list[str]:
    """Return the lines of the servers, their runs and further logs that tell of a traceback or a lock."""
    every = [home / "ui.log", *(home / "dagster" / "storage").rglob("compute_logs/*"), *logs]
    return [line for path in every if path.is_file() for line in path.read_text().splitlines() if UNWANTED.search(line)]
