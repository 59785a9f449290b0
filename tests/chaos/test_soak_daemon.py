"""Many backfills of one `asteer ui`: its servers grow neither in memory nor in open files, and no process outlives them."""

import time
from pathlib import Path

import backfills
import yaml

from tests.serving import asteer_ui

PIPELINE = Path(__file__).parents[1] / "pipeline"
ROUNDS = {"ci": (2, 2, 7), "full": (10, 5, 5)}
"""Waves of backfills, backfills of a wave, and strengths of each; four assets make each strength."""
ASSETS = ("steered_corpora", "measurements", "corpus_metrics", "detectors")
KINDS = {
    "web server": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code server": "api grpc",
    "proxy of the code server": "code-server start",
}
SECONDS = 900
MOST_MEGABYTES_PER_RUN, MOST_FILES, MOST_THREADS = 4.0, 6, 8
"""Growth of a server that is allowed; pools of threads and of connections fill as more runs are at work at one time."""
MOST_SECONDS_TO_GO = 90
"""A code server that is left alone ends when it has heard nothing of its server for 45 seconds."""


def processes(home):
    """Return the command lines of the processes of a home's instance by their folder in /proc; our own environment does not name it."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"DAGSTER_HOME={home / 'dagster'}\0".encode() in (folder / "environ").read_bytes():
                found[folder] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended meanwhile
            continue
    return found


def servers(home):
    """Return megabytes, open files and threads of each server."""
    found = {}
    for folder, command in processes(home).items():
        kinds = [kind for kind, word in KINDS.items() if word in command]
        if kinds:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            assert kinds[0] not in found, (command, found)
            found[kinds[0]] = {
                "megabytes": int(status["VmRSS"].split()[0]) / 1024, "files": len(list((folder / "fd").iterdir())),
                "threads": int(status["Threads"]),
            }  # fmt: skip
    assert set(found) == set(KINDS), processes(home)
    return found


def seconds_until_gone(home):
    """Return how long the processes of a home that was closed are still there."""
    began = time.monotonic()
    while left := processes(home):
        assert time.monotonic() - began < MOST_SECONDS_TO_GO, left
        time.sleep(1)
    return time.monotonic() - began


def waves(served, keys, number, per_wave, strengths):
    """Run waves of backfills over the keys and yield after each, when every run of it has ended; in the end all backfills are complete."""
    left, launched = list(keys), []
    for _ in range(number):
        for _ in range(per_wave):
            part, left = left[:strengths], left[strengths:]
            launched.append(backfills.launch(served, ASSETS, [f"evasion|{key}" for key in part]))
        served.until(lambda: len(backfills.finished(served)) == len(launched), SECONDS)
        yield
    ended = served.until(lambda: backfills.ended(served, launched), SECONDS)
    assert set(ended.values()) == {"COMPLETED_SUCCESS"}, served.log()


def test_partitions_through_the_daemon_leave_nothing_behind(tmp_path, full, figure, monkeypatch):
    number, per_wave, strengths = ROUNDS["full" if full else "ci"]
    total = number * per_wave * strengths
    home = tmp_path / "home"
    grid = [{"method": "caa", "layers": [2], "strengths": [round(0.01 * (step + 1), 2) for step in range(total)]}]
    study = tmp_path / "soak.yaml"
    study.write_text(yaml.safe_dump({**yaml.safe_load((PIPELINE / "mini.yaml").read_text()), "name": "soak", "grid": grid}))
    home.mkdir()
    backfills.with_gpus(home, 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    keys = [f"beta:caa:L02:s{strength:.2f}" for strength in grid[0]["strengths"]]
    with asteer_ui(study, home, PIPELINE / "fake_definitions.py") as served:
        served.until(lambda: served.ask(backfills.READY), SECONDS)
        looks = [servers(home) for _ in waves(served, keys, number, per_wave, strengths)]
        assert set(backfills.finished(served).values()) == {"SUCCESS"} and backfills.complaints(served) == []
        served.until(lambda: not any("execute_run" in command for command in processes(home).values()), MOST_SECONDS_TO_GO)
    made = [path for asset in ASSETS for path in (home / "fake" / asset).glob("*.json")]
    assert len(made) == total * len(ASSETS)
    figure("after Ctrl-C the last process is gone in", f"{seconds_until_gone(home):.0f} s", f"{len(made):,} partitions by the daemon")
    rounds = (number - 1) * per_wave
    for kind, first in looks[0].items():
        growth = {name: looks[-1][kind][name] - first[name] for name in first}
        assert growth["megabytes"] / rounds < MOST_MEGABYTES_PER_RUN, (kind, looks)
        assert growth["files"] <= MOST_FILES and growth["threads"] <= MOST_THREADS, (kind, looks)
        what = f"growth of the {kind} over {rounds} runs of the daemon"
        figure(what, f"{growth['megabytes']:.0f} MB", f"of {first['megabytes']:.0f}; {growth['files']} files, {growth['threads']} threads")
