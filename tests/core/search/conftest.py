"""What every search here rests on, made once: vectors, judge and reference corpora of one concept on a shipped model."""

import shutil

import pytest

from asteer_core.search import prepare
from asteer_core.study import Workspace


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, small_data, small_study):
    """A workspace in which `toxicity` on `neox-2m` can be searched."""
    study = small_study.model_copy(update={"concepts": ["toxicity"]})
    ws = Workspace(study, home=tmp_path_factory.mktemp("home"), data_root=small_data)
    list(prepare(ws, "toxicity", "neox-2m"))
    return ws


@pytest.fixture
def again():
    """A function that opens a workspace anew and refuses to load a model: all that is asked must be stored."""

    def opened(ws):
        def refuse(name):
            raise AssertionError("a model was loaded for rows that are stored")

        fresh = Workspace(ws.study, home=ws.home, data_root=ws.data_root)
        fresh.model = refuse
        return fresh

    return opened


@pytest.fixture
def untried(prepared, tmp_path):
    """A function that opens what is prepared in a home of its own, without trials; what it is given replaces parts of the study."""

    def opened(**changes):
        home = tmp_path / "untried"
        if not home.exists():
            shutil.copytree(prepared.home, home, ignore=shutil.ignore_patterns("*.search", "leases"))
        return Workspace(prepared.study.model_copy(update=changes), home=home, data_root=prepared.data_root)

    return opened
