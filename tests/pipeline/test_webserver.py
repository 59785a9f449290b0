"""What the web interface sees, through its own GraphQL: the graph, its partitions, and one partition made by a launched run."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from asteer_pipeline.definitions import build_defs

HERE = Path(__file__).parent

ASSETS = "{ assetNodes { assetKey { path } groupName partitionDefinition { name dimensionTypes { name } } dependencyKeys { path } } }"
RUN = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
MATERIALIZED = """
{ assetNodes(assetKeys: [{path: ["judges"]}]) {
    assetMaterializations(limit: 5) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } } } }
"""


# Without the daemon nothing would take a run from the queue.
INSTANCE = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""


class Server:
    """A web server over the fake core in a process of its own."""

    def __init__(self, home):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (home / "dagster").mkdir()
        (home / "dagster" / "dagster.yaml").write_text(INSTANCE)
        self.log = (home / "server.log").open("w")
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(home / "dagster"),
            "ASTEER_HOME": str(home),
            "ASTEER_STUDY": str(HERE / "mini.yaml"),
        }
        command = ["-m", "dagster_webserver", "-f", str(HERE / "fake_definitions.py"), "-h", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen([sys.executable, *command], env=environment, cwd=HERE.parents[1], stdout=self.log, stderr=self.log)

    def ask(self, query, **variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def wait(self, ready, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := ready():
                    return found
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, Path(self.log.name).read_text()
            time.sleep(0.5)
        raise AssertionError(Path(self.log.name).read_text()[-5000:])

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@pytest.fixture
def server(home):
    running = Server(home)
    yield running
    running.close()


@pytest.mark.slow
def test_the_web_interface_lists_the_graph_and_makes_one_partition(server, home):
    nodes = server.wait(lambda: server.ask(ASSETS)["assetNodes"])
    by_name = {node["assetKey"]["path"][0]: node for node in nodes}
    assert set(by_name) == {key.to_user_string() for key in build_defs("quick").resolve_asset_graph().get_all_asset_keys()}
    dimensions = by_name["steered_corpora"]["partitionDefinition"]["dimensionTypes"]
    assert [dimension["name"] for dimension in dimensions] == ["concept", "configuration"]
    assert by_name["metric_auroc_correlation"]["dependencyKeys"] == [{"path": ["leaderboard"]}]

    selector = {
        "repositoryLocationName": "fake_definitions.py", "repositoryName": "__repository__", "pipelineName": "study_1_concepts",
        "assetSelection": [{"path": ["judges"]}], "assetCheckSelection": [],
    }  # fmt: skip
    tags = [{"key": "dagster/partition", "value": "evasion"}]
    params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}}
    launched = server.ask(RUN, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def ended():
        status = server.ask(STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE") else None

    assert server.wait(ended) == "SUCCESS"
    (event,) = server.ask(MATERIALIZED)["assetNodes"][0]["assetMaterializations"]
    assert event["partition"] == "evasion"
    assert {"label": "dagster/row_count", "intValue": 3} in event["metadataEntries"]
    assert [path.stem for path in (home / "fake" / "judges").iterdir()] == ["evasion~None"]
