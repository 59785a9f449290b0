"""No disk, no memory, no permission: a message that says what to do, a clean state, and a study that goes on afterwards."""

import os
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import differences

from asteer_core.errors import StoreError
from asteer_core.tensors import write_tensors
from asteer_core.warehouse import Store, publish, warehouse_path

FLUSHES = {"ci": (9,), "full": (1, 9, 17, 25, 33)}


def goes_on(fork, uninterrupted, home):
    ended = fork.study_run(home, "resume")
    assert ended["code"] == 0, ended["output"]
    assert differences(warehouse_path(uninterrupted["home"]), warehouse_path(home)) == {}
    assert [path for pattern in ("*.tmp", "*.part", "*.draft") for path in home.rglob(pattern)] == []


def test_a_full_disk_ends_a_study_with_a_remedy_and_it_goes_on_when_there_is_room(fork, uninterrupted, tmp_path, full):
    for flushes in FLUSHES["full" if full else "ci"]:
        home = tmp_path / str(flushes)
        ended = fork.study_run(home, full_disk=[flushes])
        assert ended["code"] == 2, ended["output"]
        assert "No space left on device" in ended["output"] and "free some disk space" in ended["output"]
        assert "Traceback" not in ended["output"]
        goes_on(fork, uninterrupted, home)


@pytest.fixture
def small_disk(tmp_path):
    """A folder of two megabytes where this process may mount one; else a folder whose files may not grow beyond that (RLIMIT_FSIZE)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True).returncode == 0
    if mounted:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, before[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_what_does_not_fit_on_the_disk_leaves_the_old_file_and_no_rubbish(small_disk):
    rng, store = np.random.default_rng(0), Store(small_disk / "demo")
    large = pl.DataFrame({"x": rng.random(2_000_000)})
    small = pl.DataFrame({"x": [1.0]})
    store.write("responses", small, "k", "toxicity", "m:caa")
    write_tensors(small_disk / "v.safetensors", "vectors", 1, {}, {"x": np.zeros(4, np.float32)})
    before = {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match="free some disk space"):
        store.write("responses", large, "k2", "toxicity", "m:caa")
    with pytest.raises(StoreError, match="free some disk space"):
        write_tensors(small_disk / "v.safetensors", "vectors", 1, {}, {"x": rng.random(2_000_000)})
    assert {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()} == before
    assert store.read("responses", "toxicity", "m:caa").equals(small)


def test_a_warehouse_that_does_not_fit_leaves_the_old_one(small_disk):
    warehouse = small_disk / "warehouse.duckdb"
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * (1 << 20) + b"\0" * 800_000)
    with pytest.raises(StoreError, match="cannot be built|cannot be written"):
        publish({}, warehouse)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    filler.unlink()


def test_a_home_that_cannot_be_written_is_said_before_anything_runs(fork, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    ended = fork.study_run(tmp_path / "file" / "home")
    assert ended["code"] == 2 and "cannot be written" in ended["output"] and "Traceback" not in ended["output"], ended["output"]
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root writes everywhere but where the system itself forbids it
        folder = Path("/proc")
    ended = fork.study_run(folder / "home")
    assert ended["code"] == 2 and "cannot be written" in ended["output"] and "Traceback" not in ended["output"], ended["output"]


def test_a_device_too_small_for_a_row_says_so_and_the_study_goes_on_elsewhere(fork, uninterrupted, tmp_path):
    ended = fork.study_run(tmp_path / "home", small_device=[0])
    assert ended["code"] == 2 and "memory" in ended["output"] and "Traceback" not in ended["output"], ended["output"]
    goes_on(fork, uninterrupted, tmp_path / "home")


def test_a_process_without_memory_loses_nothing_that_was_finished(fork, uninterrupted, tmp_path, figure):
    ended = fork.study_run(tmp_path / "home", little_memory=[120 << 20])
    figure("a study with 120 MB more than its imports ends with", ended["code"])
    # The process may also be ended by an allocator that cannot say so; then it is as if it had been killed.
    assert ended["code"] == 2 or ended["signal"], ended["output"]
    assert ended["signal"] or "memory ran out" in ended["output"], ended["output"]
    goes_on(fork, uninterrupted, tmp_path / "home")
