"""Definitions and web interface at scale: 20 concepts x 2,000 configurations, through the GraphQL that the pages ask.

    python -m benchmarks.definitions [--quick]

Times the load of the code location, and the answers of the asset page, its partitions tab and the backfill page, with part of the
partitions materialised. The bound for each is three seconds.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from rich.console import Console
from rich.table import Table

from asteer_pipeline.event_writes import fewer_flushes
from benchmarks._table import quick

BOUND_SECONDS = 3.0
ASSET = '{path: ["steered_corpora"]}'
QUERIES = {
    "graph of assets": "{ assetNodes { assetKey { path } groupName kinds hasAssetChecks dependencyKeys { path } "
    "partitionDefinition { name } } }",
    "asset page": f"""{{ assetNodes(assetKeys: [{ASSET}]) {{
        description owners {{ ... on TeamAssetOwner {{ team }} }} metadataEntries {{ label ... on TableSchemaMetadataEntry {{ schema {{
            columns {{ name type description }} }} }} }}
        partitionStats {{ numMaterialized numPartitions numFailed numMaterializing }}
        assetMaterializations(limit: 100) {{ partition runId timestamp metadataEntries {{ label }} }} }} }}""",
    "partitions tab": f"""{{ assetNodes(assetKeys: [{ASSET}]) {{
        partitionKeysByDimension {{ name partitionKeys }}
        assetPartitionStatuses {{ ... on MultiPartitionStatuses {{ primaryDimensionName ranges {{ primaryDimStartKey primaryDimEndKey
            secondaryDim {{ ... on TimePartitionStatuses {{ ranges {{ startKey }} }}
                ... on DefaultPartitionStatuses {{ materializedPartitions failedPartitions }} }} }} }} }} }} }}""",
    "backfill page": """{ partitionBackfillsOrError(limit: 25) { ... on PartitionBackfills { results { id status numPartitions timestamp
        assetSelection { path } partitionNames } } } }""",
}  # fmt: skip


def study(folder: Path, concepts: int, configurations: int) -> Path:
    """Write a study of so many concepts and configurations (4 methods x 20 layers x strengths) and return its path."""
    methods, layers = ["caa", "pca", "probe", "angular"], list(range(20))
    strengths = [round(0.1 + 0.02 * n, 2) for n in range(max(1, configurations // (len(methods) * len(layers))))]
    value = {
        "name": "scale",
        "concepts": [f"concept-{n:02d}" for n in range(concepts)],
        "models": ["large"],
        "grid": [{"method": method, "layers": layers, "strengths": strengths} for method in methods],
    }
    path = folder / "scale.yaml"
    path.write_text(yaml.safe_dump(value))
    return path


def load_seconds(path: Path, home: Path) -> dict[str, list[float]]:
    """Return seconds to load the code location, imports included, in five processes of their own: by the clock, and of the processor.

    On a machine that is busy with other work the second says what loading costs.
    """
    code = "from asteer_pipeline.definitions import build_defs; build_defs().get_repository_def()"
    environment = {**os.environ, "ASTEER_STUDY": str(path), "ASTEER_HOME": str(home)}
    found: dict[str, list[float]] = {"load of the definitions": [], "of which processor time": []}
    for _ in range(5):
        before = os.times()
        found["load of the definitions"].append(_timed(lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True)))
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        found["of which processor time"].append(spent)
    return found


def record(home: Path, path: Path, partitions: int) -> None:
    """Record so many materialisations of steered corpora."""
    from asteer_core.study import load_study, plan

    pairs = plan(load_study(path, home), lambda model: 20).pairs
    with dg.DagsterInstance.from_config(str(home)) as instance, fewer_flushes():
        for concept, key in pairs[:partitions]:
            tags = {"dagster/partition/concept": concept, "dagster/partition/configuration": key}
            instance.report_runless_asset_event(dg.AssetMaterialization("steered_corpora", partition=f"{concept}|{key}", tags=tags))


def answers(home: Path, path: Path, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each query, by name, of a web server over `home`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "ASTEER_HOME": str(home), "ASTEER_STUDY": str(path)}
    command = [sys.executable, "-m", "dagster_webserver", "-m", "asteer_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _until(lambda: _ask(port, "{ version }"))
            return {name: [_timed(lambda text=text: _ask(port, text)) for _ in range(rounds)] for name, text in QUERIES.items()}
        finally:
            server.terminate()


def main(small: bool) -> None:
    """Print load times and answers; `small` does one tenth of the size."""
    concepts, configurations, recorded = (4, 200, 50) if small else (20, 2000, 2000)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        path = study(home, concepts, configurations)
        found = load_seconds(path, home)
        record(home, path, recorded)
        found |= answers(home, path, 5)
    table = Table("what", "median s", "worst s", title=f"{concepts} x {configurations} partitions per asset, {recorded} materialised")
    for what, seconds in found.items():
        table.add_row(what, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}")
    Console().print(table)
    slow = [what for what, seconds in found.items() if statistics.median(seconds) > BOUND_SECONDS]
    Console().print(f"above {BOUND_SECONDS:g} s: {', '.join(slow) or 'nothing'}")


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _ask(port: int, text: str) -> Any:
    body = json.dumps({"query": text}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    if "errors" in found:
        raise RuntimeError(str(found["errors"])[:500])
    return found["data"]


def _until(ready: Callable[[], Any], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            ready()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main(quick(__doc__))
