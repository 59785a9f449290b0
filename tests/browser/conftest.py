"""A headless Chromium, and a home with a study whose texts would act if they were not escaped. Screenshots are kept in `.screenshots/`."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from asteer_pipeline.definitions import build_defs
from asteer_pipeline.instance import dagster_home
from asteer_pipeline.resources import WorkspaceResource, close_workspaces
from tests.core.report.conftest import publish_with_everything, write_study_with_everything

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".screenshots"
STUDY = """\
name: demo
concepts: [toxicity, evasion]
models: [neox-2m]
grid: [{method: caa, layers: [1], strengths: [0.4]}]
size: {prompts: 8}
metrics: {m: 8}
"""


class Visit:
    """One page and what went wrong on it: console errors, exceptions, requests beyond the page's own origin."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", lambda request: self._request(request.url, origin))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url')})")

    def _request(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "data:", "blob:")):
            self.problems.append(f"request: {url}")

    def photograph(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser(home: Path) -> Iterator[Browser]:
    # The home first, and no longer than a module: Dagster cannot run inside the event loop that Playwright keeps.
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("no chromium on the path; run .ci/packages")
    with sync_playwright() as playwright:
        # A container's root user has no sandbox; the pages are our own.
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator:
    """A function that opens an address and returns the `Visit`."""
    contexts = []

    def open_page(url: str, origin: str, scheme: str = "light") -> Visit:
        context = browser.new_context(locale="en-US", color_scheme=scheme, viewport={"width": 1400, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        seen = Visit(page, origin)
        page.goto(url)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study `demo`, its warehouse, and the asset `report` materialised through Dagster."""
    root = tmp_path_factory.mktemp("home")
    publish_with_everything(write_study_with_everything(root / "studies" / "demo"), root / "warehouse.duckdb")
    (root / "demo.yaml").write_text(STUDY)
    study = str(root / "demo.yaml")
    defs = build_defs(study, resources={"workspace": WorkspaceResource(study=study, home=str(root))})
    with dg.DagsterInstance.from_config(str(dagster_home(root))) as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("report")]).success
    close_workspaces()
    return root


@pytest.fixture(scope="session")
def dagster_url(home: Path) -> Iterator[str]:
    """The address of Dagster's web interface over the home."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(home / "dagster"), "ASTEER_HOME": str(home), "ASTEER_STUDY": str(home / "demo.yaml")}
    command = [sys.executable, "-m", "dagster_webserver", "-m", "asteer_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 180
        while not _answers(url):
            assert server.poll() is None and time.monotonic() < end, (home / "server.log").read_text()
            time.sleep(0.5)
        yield url
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
