from pathlib import Path

import pytest

from asteer_core import paths
from asteer_core.errors import ConfigError


def test_the_environment_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTEER_DATA", str(tmp_path))
    assert paths.data_root() == tmp_path.resolve()


def test_a_folder_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTEER_DATA", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="ASTEER_DATA=.*none.* is not a folder"):
        paths.data_root()


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A package folder as a wheel lays it out, with a stranger's data/ beside it."""
    package = tmp_path / "site-packages" / "asteer_core"
    (package / "_data").mkdir(parents=True)
    (tmp_path / "site-packages" / "data").mkdir()
    monkeypatch.delenv("ASTEER_DATA", raising=False)
    monkeypatch.setattr(paths, "_PACKAGE", package)
    return package


def test_a_wheel_uses_its_own_copy(installed):
    assert paths.data_root() == installed / "_data"


def test_a_checkout_uses_its_data_folder(installed):
    (installed.parent / "pyproject.toml").touch()
    assert paths.data_root() == installed.parent / "data"


def test_an_installation_without_data_says_what_to_do(installed):
    (installed / "_data").rmdir()
    with pytest.raises(ConfigError, match="reinstall asteer, or set ASTEER_DATA"):
        paths.data_root()


def test_outputs_go_to_a_folder_of_the_current_one_unless_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASTEER_HOME", raising=False)
    assert paths.home() == tmp_path.resolve() / ".asteer"
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path / "elsewhere"))
    assert paths.home() == tmp_path.resolve() / "elsewhere"
    assert paths.home(tmp_path / "told") == tmp_path.resolve() / "told"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.home("~/mine") == tmp_path / "mine"


@pytest.mark.parametrize("url", ["s3://bucket/home", Path("gs://bucket/home")])
def test_outputs_cannot_go_to_a_url(url):
    with pytest.raises(ConfigError, match="folder of this machine.*ASTEER_STORE"):
        paths.home(url)
