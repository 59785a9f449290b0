"""The files for containers and clusters name what exists: modules, variables, files; and Dagster takes every instance file."""

import importlib.util
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from asteer_core.paths import data_root
from asteer_pipeline.instance import PRESETS

ROOT = Path(__file__).parents[2]
DEPLOY = data_root() / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
CODE = "\n".join(path.read_text() for package in ("asteer_core", "asteer_pipeline") for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_every_variable_and_module_that_is_named_is_read_somewhere(file):
    text = file.read_text()
    instances = "".join((data_root() / name).read_text() for name in PRESETS.values())
    named = set(re.findall(r"\bASTEER_[A-Z_]+\b", text)) - {"ASTEER_IMAGE"}
    assert [name for name in sorted(named) if name not in CODE and name not in instances] == []
    for module in set(re.findall(r"\basteer_pipeline[\w.]*", text)):
        assert importlib.util.find_spec(module.rstrip(".")), module


def test_what_compose_builds_and_mounts_exists():
    folder = DEPLOY / "docker"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(compose["services"]) == {"postgres", "code", "webserver", "daemon"}
    build = compose["services"]["code"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).is_file()
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (folder / source).is_file(), (name, source)
        assert set(service.get("depends_on", {})) <= set(compose["services"])
    [server] = yaml.safe_load((folder / "workspace.yaml").read_text())["load_from"]
    assert server["grpc_server"]["host"] in compose["services"]
    copied = re.findall(r"^COPY (.+) \S+$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_the_chart_gives_runs_what_the_code_server_has():
    values = yaml.safe_load((DEPLOY / "k8s" / "values.yaml").read_text())
    [deployment] = values["dagster-user-deployments"]["deployments"]
    environment = {item["name"]: item["value"] for item in deployment["env"]}
    assert all(isinstance(value, str) for value in environment.values()) and environment["ASTEER_STORE"].startswith("s3://")
    assert deployment["includeConfigInLaunchedRuns"]["enabled"] and values["runLauncher"]["type"] == "K8sRunLauncher"
    assert {mount["name"] for mount in deployment["volumeMounts"]} == {volume["name"] for volume in deployment["volumes"]}


@pytest.mark.parametrize("preset", PRESETS)
def test_dagster_takes_the_instance_file_of_every_preset(preset, tmp_path):
    (tmp_path / "dagster.yaml").write_text((data_root() / PRESETS[preset]).read_text())
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["telemetry"]["enabled"] is False


def test_hadolint_has_nothing_to_say_of_the_image():
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([program, DEPLOY / "docker" / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
