"""Several writers and readers on one store and warehouse: no lock error, no row lost or doubled, nobody sees half a partition."""

import json
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
from tables import differences

from asteer_core.warehouse import query, warehouse_path

HERE = Path(__file__).parent
WRITERS, READERS = 4, 2
SECONDS = {"ci": 6.0, "full": 60.0}


def start(role, root, seconds, number):
    arguments = [sys.executable, str(HERE / "contender.py"), role, str(root), str(seconds), str(number)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_writers_and_two_readers_see_whole_partitions_and_no_lock(tmp_path, full, figure):
    seconds = SECONDS["full" if full else "ci"]
    subprocess.run([sys.executable, str(HERE / "contender.py"), "publish", str(tmp_path), "0", "0"], check=True)
    running = [start("write", tmp_path, seconds, number) for number in range(WRITERS)]
    running += [start("read", tmp_path, seconds, number) for number in range(READERS)]
    ended = []
    for process in running:
        out, errors = process.communicate(timeout=seconds + 200)
        assert process.returncode == 0, errors
        ended.append(json.loads(out))
    writers, readers = ended[:WRITERS], ended[WRITERS:]
    assert all(one["reads"] > 0 for one in readers)
    written = {partition for one in writers for partition in one["partitions"]}
    found = stored(tmp_path)
    assert set(found) == written and all(count == 100 for count in found.values())
    figure("writes per second, four writers", round(sum(one["writes"] for one in writers) / seconds), "partitions of 100 rows")
    figure("publications beside them", sum(one["publications"] for one in writers))
    figure("reads by two readers", sum(one["reads"] for one in readers))
    figure("worst latency of a reader", round(1000 * max(one["worst"] for one in readers)), "ms, opening the warehouse included")


def stored(root):
    files = (root / "demo" / "responses").rglob("*.parquet")
    return {f"{file.parent.name.removeprefix('concept=')}/{file.stem.replace('~', ':')}": pl.read_parquet(file).height for file in files}


def test_the_same_study_twice_at_once_is_made_once(fork, uninterrupted, tmp_path, figure):
    log = tmp_path / "rows.tsv"
    home = tmp_path / "home"
    home.mkdir()
    run = {"argv": ["study", "run", str(fork.study), "--home", str(home)], "faults": {"rows_to": [str(log)]}}
    ended = fork.run({**run, "log": str(tmp_path / "one.log")}, {**run, "log": str(tmp_path / "two.log")})
    for number, one in zip(("one", "two"), ended, strict=True):
        output = (tmp_path / f"{number}.log").read_text()
        assert one["code"] == 0, output
        assert "Traceback" not in output and "lock" not in output.lower()
    names = [line.split("\t")[0] for line in log.read_text().splitlines()]
    assert sorted(names) == sorted(set(names))
    assert differences(warehouse_path(uninterrupted["home"]), warehouse_path(home)) == {}
    figure("two runs of one study at once: rows generated twice", len(names) - len(set(names)))


def test_readers_wait_no_longer_than_the_publication_of_another(tmp_path):
    subprocess.run([sys.executable, str(HERE / "contender.py"), "publish", str(tmp_path), "0", "0"], check=True)
    began = time.monotonic()
    assert query("SELECT count(*) FROM responses", tmp_path / "warehouse.duckdb").item() == 0
    assert time.monotonic() - began < 20
