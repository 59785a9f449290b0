"""A tiny study over a core without models, an instance in a temporary folder, and the definitions of both."""

import importlib.util
import sys
from pathlib import Path

import dagster as dg
import pytest

from asteer_pipeline import resources
from asteer_pipeline.definitions import build_defs
from asteer_pipeline.resources import WorkspaceResource

HERE = Path(__file__).parent
TINY = str(HERE / "tiny.yaml")


def _load_fake():
    spec = importlib.util.spec_from_file_location("fake_core", HERE / "fake_core.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["fake_core"] = module
    return module


fake_core = _load_fake()


@pytest.fixture
def go_to(small_data, monkeypatch):
    """A function that makes a folder the current one, with the home in it and the small concepts as data: where commands run."""

    def go(folder: Path) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("ASTEER_DATA", str(small_data))
        monkeypatch.setenv("ASTEER_HOME", str(folder / "home"))
        monkeypatch.setenv("COLUMNS", "100")

    return go


@pytest.fixture
def fake(monkeypatch):
    """The fake core, installed and empty."""
    fake_core.reset()
    fake_core.install(monkeypatch.setattr)
    yield fake_core
    resources.close_workspaces()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    monkeypatch.setenv("ASTEER_STUDY", TINY)
    return tmp_path


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def defs(fake, home):
    return build_defs(TINY, resources={"workspace": WorkspaceResource(study=TINY, home=str(home))})


@pytest.fixture
def mini():
    """The path of a study of eight configurations, one concept and one model."""
    return str(HERE / "mini.yaml")
