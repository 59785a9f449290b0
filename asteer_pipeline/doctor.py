"""What could keep Asteer from working on this machine, each with its remedy. Nothing is changed, and no secret is read or shown.

What does not belong here: the terminal (`cli/doctor.py`).
"""

import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

from packaging.requirements import Requirement

from asteer_core.concepts import list_concepts, load_concept
from asteer_core.errors import AsteerError
from asteer_core.model.available import available_models
from asteer_core.paths import concept_roots, data_root
from asteer_core.study.estimate import cpu_cores

GIBIBYTE = 1 << 30
HUB = "https://huggingface.co"
HUB_SECONDS = 3.0


@dataclass(frozen=True)
class Symptom:
    """One thing that was looked at. `bad` keeps something from working, `weak` may, `fine` does not."""

    state: Literal["fine", "weak", "bad"]
    what: str
    found: str
    remedy: str = ""


def examine(home: Path) -> Iterator[Symptom]:
    """Yield what was looked at, as it is found; nothing raises."""
    looks: list[Callable[[], Iterator[Symptom]]] = [
        _python, _packages, _devices, lambda: _disk(home), _data, lambda: _models(home), lambda: _concepts(home), _hub,
        lambda: _warehouse(home), lambda: _dagster(home),
    ]  # fmt: skip
    for look in looks:
        try:
            yield from look()
        except Exception as error:  # a doctor that faints helps nobody
            yield Symptom(
                "bad", getattr(look, "__name__", "a check").strip("_"), f"{type(error).__name__}: {error}", "report this as a bug"
            )


def _python() -> Iterator[Symptom]:
    ok = sys.version_info >= (3, 11)
    yield Symptom(
        "fine" if ok else "bad",
        "Python",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if ok else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Symptom]:
    try:
        asked = [Requirement(text) for text in requires("asteer") or []]
    except PackageNotFoundError:
        yield Symptom("weak", "packages", "asteer runs from a folder and is not installed", "run: pip install -e .")
        return
    missing, old, shown = [], [], []
    for item in asked:
        if item.marker is not None and not item.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(item.name)
        except PackageNotFoundError:
            missing.append(str(item))
            continue
        if not item.specifier.contains(have, prereleases=True):
            old.append(f"{item.name} {have}, wanted {item.specifier}")
        if item.name in ("dagster", "torch", "transformers", "duckdb", "polars"):
            shown.append(f"{item.name} {have}")
    if missing or old:
        yield Symptom(
            "bad", "packages", "; ".join([*(f"{name} is missing" for name in missing), *old]), "run: pip install -r requirements.lock"
        )
    else:
        yield Symptom("fine", "packages", ", ".join(shown))


def _devices() -> Iterator[Symptom]:
    from asteer_core.model.devices import devices

    found = devices()
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Symptom("fine", "devices", f"{', '.join(found)}; {cpu_cores()} CPU cores{f', OMP_NUM_THREADS={threads}' if threads else ''}")
    if found == ["cpu"]:
        yield Symptom("fine", "GPU", "none; models beyond a few hundred million parameters will be slow")
    memory = _memory()
    if memory is not None:
        state = "fine" if memory > 4 * GIBIBYTE else "weak"
        yield Symptom(
            state,
            "memory",
            f"{memory / GIBIBYTE:.1f} GiB",
            "" if state == "fine" else "close other programs; a study of the embedded models needs about 3 GiB",
        )


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _disk(home: Path) -> Iterator[Symptom]:
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        yield Symptom("bad", "home", f"{home} cannot be written", "set ASTEER_HOME to a folder that can")
    else:
        state = "fine" if free > 2 * GIBIBYTE else "weak"
        yield Symptom(
            state,
            "home",
            f"{home}, {free / GIBIBYTE:.1f} GiB free",
            "" if state == "fine" else "free some disk space, or set ASTEER_HOME to another disk",
        )


def _data() -> Iterator[Symptom]:
    try:
        yield Symptom("fine", "shipped data", str(data_root()))
    except AsteerError as error:
        yield Symptom("bad", "shipped data", str(error), "reinstall asteer, or unset ASTEER_DATA")


def _models(home: Path) -> Iterator[Symptom]:
    found = available_models(home, data_root())
    yield Symptom("fine", "models", ", ".join(found.specs))
    for problem in found.problems.values():
        yield Symptom("weak", "models", problem, "mend the entry; other models are not affected")
    for spec in found.specs.values():
        if spec.trust_remote_code:
            yield Symptom(
                "weak",
                "models",
                f"{spec.name} runs code that comes with its weights (trust_remote_code)",
                "keep it only if you have read that code",
            )


def _concepts(home: Path) -> Iterator[Symptom]:
    roots = concept_roots(home, data_root())
    good = []
    for name in list_concepts(roots):
        try:
            load_concept(name, roots, home / "cache" / "datasets")
            good.append(name)
        except AsteerError as error:
            yield Symptom("weak", "concepts", str(error), f"mend it; `asteer concepts check {name}` says what is weak")
    yield Symptom("fine", "concepts", ", ".join(good))


def _hub() -> Iterator[Symptom]:
    address = urlparse(os.environ.get("HF_ENDPOINT") or HUB)
    if os.environ.get("HF_HUB_OFFLINE"):
        yield Symptom("fine", "model hub", "switched off by HF_HUB_OFFLINE; local folders and the embedded models work")
        return
    try:
        with socket.create_connection(
            (address.hostname or "", address.port or (443 if address.scheme == "https" else 80)), timeout=HUB_SECONDS
        ):
            pass
    except OSError as error:
        yield Symptom(
            "weak",
            "model hub",
            f"{address.geturl()} cannot be reached ({error})",
            "fine for the embedded models; for others connect, or give local folders",
        )
        return
    token = "with a token" if os.environ.get("HF_TOKEN") else "without a token (gated models need HF_TOKEN)"
    yield Symptom("fine", "model hub", f"{address.geturl()} answers, {token}")


def _warehouse(home: Path) -> Iterator[Symptom]:
    from asteer_core.warehouse import query

    path = home / "warehouse.duckdb"
    if not path.is_file():
        yield Symptom("fine", "warehouse", "not there yet; a study publishes it")
        return
    try:
        rows = query("SELECT count(*) AS rows FROM leaderboard", path)["rows"][0]
    except AsteerError as error:
        yield Symptom("bad", "warehouse", str(error), "publish it again from the parquet files: asteer warehouse upgrade")
        return
    yield Symptom("fine", "warehouse", f"{path}, {path.stat().st_size / (1 << 20):.1f} MiB, {rows} rows in leaderboard")


def _dagster(home: Path) -> Iterator[Symptom]:
    if importlib.util.find_spec("dagster_webserver") is None:
        yield Symptom("bad", "Dagster UI", "dagster-webserver is not installed", "run: pip install dagster-webserver")
        return
    folder = home / "dagster"
    yield Symptom("fine", "Dagster UI", f"instance in {folder}" if folder.is_dir() else "not started yet: asteer ui")
