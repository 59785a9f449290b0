"""Many studies in one process: memory and open files do not grow with their number, no hook stays, no process is left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
STUDIES = {"ci": 16, "full": 200}
PARTITIONS = {"ci": 200, "full": 1000}
MOST_MEGABYTES = {"studies": 4.0, "partitions": 8.0}
"""Growth per study or round that is allowed; a model of the study has seven megabytes and would show at once."""


def soak(kind, number, folder, data):
    environment = {**os.environ, "ASTEER_DATA": str(data), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "soak.py"), kind, str(number), str(folder)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.strip().splitlines()[-1])


def check(kind, found, figure, what):
    growth, rounds = found["growth"], found["rounds"]
    assert found["hooks"] == 0 and found["last"]["children"] == 0
    assert growth["files"] <= 2 and growth["threads"] <= 1, found
    assert growth["megabytes"] / rounds < MOST_MEGABYTES[kind], found
    assert found["failed"] <= rounds // 10
    counts = f"{growth['files']} files, {growth['threads']} threads, {rounds} rounds, {found['failed']} of them without some partition"
    figure(f"growth over {what}", f"{growth['megabytes']:.0f} MB", counts)


def test_studies_one_after_another_leave_nothing_behind(tiny_data, tmp_path, full, figure):
    number = STUDIES["full" if full else "ci"]
    check("studies", soak("studies", number, tmp_path, tiny_data), figure, f"{number} studies in one process")


def test_partitions_through_dagster_leave_nothing_behind(tmp_path, full, figure):
    from asteer_core.paths import data_root

    number = PARTITIONS["full" if full else "ci"]
    check("partitions", soak("partitions", number, tmp_path, data_root()), figure, f"{number:,} partitions through Dagster")
