"""Many studies in one process, for `test_soak.py`. Arguments: kind (studies or partitions), how many, folder; prints growth as JSON."""

import gc
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

WARM = {"studies": 10, "partitions": 2}
"""Rounds before the first look: caches fill, libraries load what they load once, and the allocator finds its size."""


def state() -> dict:
    """Return what could grow: resident megabytes, open files, threads and children of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 2**20, "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(), "children": len(children),
    }  # fmt: skip


def studies(number: int, home: Path) -> Iterator[tuple[int, int]]:
    """Make small studies one after another; yield how many hooks are left on the model of each, and whether some of it could not be made.

    Eight replies of twelve tokens are no usable reference of coherence for one seed or other, and such a study must leave nothing either.
    """
    from conftest import STUDY

    from asteer_core.study import PartialFailure, Workspace, parse_study, run_line

    for seed in range(number):
        ws = Workspace(parse_study({**STUDY, "name": f"soak-{seed}", "seed": seed}, "soak"), home)
        failed = 0
        try:
            for _ in run_line(ws, until="detectors"):
                pass
        except PartialFailure:
            failed = 1
        hooks = sum(len(item._forward_hooks) + len(item._forward_pre_hooks) for item in ws.model("neox-2m").module.modules())
        ws.close()
        yield hooks, failed


def partitions(number: int, home: Path) -> Iterator[tuple[int, int]]:
    """Materialise fake studies through Dagster in this process and yield after each."""
    import dagster as dg
    import yaml

    from asteer_pipeline.resources import close_workspaces
    from asteer_pipeline.runner import run_study

    place = Path(__file__).parents[1] / "pipeline" / "fake_core.py"
    spec = importlib.util.spec_from_file_location("fake_core", place)
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    fake.install(setattr)
    study = yaml.safe_load((place.parent / "mini.yaml").read_text())
    (home / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        made = 0
        while made < number:
            file = home / f"soak-{made}.yaml"
            file.write_text(yaml.safe_dump({**study, "name": file.stem}))
            before = len(fake.calls)
            run_study(str(file), home / file.stem, instance=instance)
            close_workspaces()
            made += len(fake.calls) - before
            yield 0, 0


def main(kind: str, number: str, folder: str) -> None:
    """Run, looking at the state after the warm-up and at the end."""
    first, hooks, failed, count = {}, 0, 0, 0
    for left, lost in {"studies": studies, "partitions": partitions}[kind](int(number), Path(folder)):
        hooks, failed = hooks + left, failed + lost
        count += 1
        if count == WARM[kind]:
            first = state()
    last = state()
    growth = {name: last[name] - first[name] for name in last}
    print(json.dumps({"rounds": count - WARM[kind], "hooks": hooks, "failed": failed, "growth": growth, "last": last}))


if __name__ == "__main__":
    main(*sys.argv[1:])
