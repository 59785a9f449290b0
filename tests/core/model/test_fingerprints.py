"""A model's identity changes with whatever changes its numbers, and is known without torch."""

import subprocess
import sys

import pytest

from asteer_core.errors import ModelError
from asteer_core.model.fingerprints import spec_fingerprint
from asteer_core.model.specs import ModelSpec


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "tiny" / "tokenizer.json").write_text("{}")
    return tmp_path


def test_weights_tokenizer_and_dtype_each_change_the_fingerprint(folder):
    spec = ModelSpec(name="tiny", source="tiny")
    seen = [spec_fingerprint(spec, folder), spec_fingerprint(spec.model_copy(update={"dtype": "bfloat16"}), folder)]
    (folder / "tiny" / "tokenizer.json").write_text("[]")
    seen.append(spec_fingerprint(spec, folder))
    (folder / "tiny" / "model.safetensors").write_bytes(b"other")
    seen.append(spec_fingerprint(spec, folder))
    assert len(set(seen)) == 4


def test_a_pinned_hub_commit_needs_no_network(tmp_path):
    spec = ModelSpec(name="far", source="owner/name", revision="a" * 40)
    other = ModelSpec(name="far", source="owner/name", revision="b" * 40)
    assert spec_fingerprint(spec, tmp_path) != spec_fingerprint(other, tmp_path)


def test_a_missing_folder_and_a_folder_without_safetensors_are_named(folder):
    with pytest.raises(ModelError, match="not a hub id"):
        spec_fingerprint(ModelSpec(name="x", source="models/nowhere/x"), folder)
    (folder / "empty").mkdir()
    with pytest.raises(ModelError, match="empty holds no .safetensors"):
        spec_fingerprint(ModelSpec(name="x", source="empty"), folder)


def test_it_loads_no_torch():
    code = "import sys, asteer_core.model.fingerprints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
