"""Dagster's own storage in a real PostgreSQL, with the instance file that ships."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance import InstanceRef

from asteer_core.paths import data_root
from asteer_pipeline.instance import dagster_home

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def database():
    """The URL of an empty database of a server that this fixture starts and stops."""
    folder = Path(tempfile.mkdtemp(prefix="asteer-postgres-"))
    port = _free_port()
    if os.geteuid() == 0:
        # The server refuses to run as root; Debian's package brings a user for it.
        shutil.chown(folder, "postgres", "postgres")
    _as_server_user("initdb", "-D", str(folder / "data"), "-U", "dagster", "--auth=trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _as_server_user("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg2://dagster@127.0.0.1:{port}/postgres"
    finally:
        _as_server_user("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _as_server_user(program: str, *arguments: str) -> None:
    command = [str(PROGRAMS[-1] / program), *arguments]
    runuser = shutil.which("runuser") or "/usr/sbin/runuser"
    prefix = [runuser, "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
def made(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")


def _open(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(dagster_home(home))))


@pytest.mark.slow
def test_a_run_is_recorded_in_postgres_and_another_machine_sees_it(database, tmp_path, monkeypatch):
    for name, value in {"ASTEER_PRESET": "postgres", "ASTEER_POSTGRES_URL": database, "ASTEER_MAX_RUNS": "2"}.items():
        monkeypatch.setenv(name, value)
    with _open(tmp_path / "one") as instance:
        tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
        run = dg.materialize([made], instance=instance, tags=tags)
        assert run.success
    assert (tmp_path / "one" / "dagster" / "dagster.yaml").read_text() == (data_root() / "dagster-postgres.yaml").read_text()
    with _open(tmp_path / "two") as elsewhere:
        assert elsewhere.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.SUCCESS
        assert elsewhere.get_materialized_partitions(dg.AssetKey("made")) == {"a", "b"}
    assert not list((tmp_path / "one").rglob("*.db"))
