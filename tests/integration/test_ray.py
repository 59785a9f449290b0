"""Steps of a study as Ray jobs, on a Ray cluster of this machine alone."""

import json
import os
import socket
import subprocess
import sys

import pytest

from asteer_core.warehouse import Store

STUDY = {"name": "one", "concepts": ["evasion"], "models": ["neox-2m"], "grid": [{"method": "caa", "layers": [1], "strengths": [0.4]}]}


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _run(*command: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-m", *command], env=env, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


@pytest.fixture
def cluster(tmp_path):
    """Environment of a process whose steps go to a Ray head with one CPU that this fixture starts and stops."""
    (tmp_path / "one.yaml").write_text(json.dumps(STUDY))
    (tmp_path / "dagster").mkdir()
    port, dashboard = _free_port(), _free_port()
    env = {
        **os.environ, "ASTEER_STUDY": str(tmp_path / "one.yaml"), "ASTEER_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster"),
        "ASTEER_EXECUTOR": "ray", "RAY_ADDRESS": f"http://127.0.0.1:{dashboard}", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    head = ["start", "--head", "--port", port, "--dashboard-port", dashboard, "--num-cpus", "1", "--object-store-memory", "80000000"]
    started = {name: value for name, value in env.items() if name != "RAY_ADDRESS"}
    node = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *head, "--block", "--include-dashboard", "true"],
        env=started, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(int(dashboard), node)
        yield env
    finally:
        node.terminate()
        node.wait(60)


def _wait_for(port: int, node: subprocess.Popen) -> None:
    import time

    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert node.poll() is None and time.monotonic() < deadline, "the Ray head did not come up"
            time.sleep(0.5)


@pytest.mark.slow
def test_the_steps_of_a_study_are_made_by_ray_jobs(cluster, tmp_path):
    said = _run(
        "dagster", "job", "execute", "-m", "asteer_pipeline.definitions", "-j", "study_1_concepts",
        "--tags", json.dumps({"dagster/partition": "evasion"}), env=cluster,
    )  # fmt: skip
    assert "RUN_SUCCESS" in said and "Ray job" in said
    store = Store(tmp_path / "studies" / "one")
    assert store.content_key("contrastive_pairs", "evasion") and store.content_key("judges", "evasion")
