"""Directions of other tools: from Python objects and safetensors, checked against the model, never from a pickle."""

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from asteer_core.errors import AsteerError, DataError, ModelError, StoreError
from asteer_core.types import SteeringVector
from asteer_core.vector_files import from_directions, read_directions, save_vectors


def test_arrays_keep_their_norm_and_give_their_unit_direction():
    found = from_directions({np.int64(3): np.array([3.0, 4.0])})
    assert found.norm(3) == pytest.approx(5.0) and found.width == 2
    np.testing.assert_allclose(found.unit(3), [0.6, 0.8])


@pytest.mark.parametrize("name", ["7", "layer.7", "layers.7", "direction.7", "block.7.direction"])
def test_plain_safetensors_are_read_by_the_block_in_the_name(tmp_path, name):
    save_file({name: np.ones(4, np.float32)}, tmp_path / "v.safetensors", metadata={"model_hint": "llama", "by": "somebody"})
    found = read_directions(tmp_path / "v.safetensors")
    assert list(found.by_block) == [7] and found.model_hint == "llama" and found.facts["by"] == "somebody"


def test_our_own_vectors_are_read_with_their_owner(tmp_path):
    path = tmp_path / "caa.safetensors"
    direction = np.array([0.6, 0.8], np.float32)
    save_vectors(path, [SteeringVector("toxicity", "tiny", "caa", 2, direction, 3.0, metadata={"model_fingerprint": "ab"})])
    found = read_directions(path)
    assert found.form == "asteer" and found.facts["concept"] == "toxicity" and list(found.by_block) == [2]
    found.check_model("tiny", 2, 4, "ab")
    with pytest.raises(ModelError, match=r"caa\.safetensors: found on weights ab, but model 'tiny' has cd.*other_weights"):
        found.check_model("tiny", 2, 4, "cd")
    found.check_model("tiny", 2, 4, "cd", other_weights=True)


def test_another_width_or_a_block_that_the_model_lacks_is_refused_by_file():
    found = from_directions({3: np.ones(8)}, "v.gguf")
    with pytest.raises(ModelError, match=r"v\.gguf: directions have width 8, but model 'tiny' has 16"):
        found.check_model("tiny", 16, 4)
    with pytest.raises(ModelError, match=r"v\.gguf: direction for block 3, but model 'tiny' has blocks 0 to 2"):
        found.check_model("tiny", 8, 3)
    found.check_model("tiny", 8, 4)


def test_a_shift_moves_blocks_and_never_below_the_first():
    found = from_directions({1: np.ones(2), 2: np.zeros(2)})
    assert list(found.shifted(-1).by_block) == [0] and found.shifted(-1).zero_blocks == (1,)
    with pytest.raises(DataError, match="to -1"):
        found.shifted(-2)


def test_other_numbers_or_blocks_have_another_digest():
    digests = {from_directions(d).digest for d in ({1: np.ones(2)}, {2: np.ones(2)}, {1: np.array([1.0, 2.0])})}
    assert len(digests) == 3 and from_directions({1: np.ones(2)}).digest in digests


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["v.pt", "v.gguf", "v.safetensors"])
def test_a_pickle_is_never_loaded_whatever_it_is_called_and_the_way_out_is_printed(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Touch(str(tmp_path / "ran"))))
    with pytest.raises(StoreError, match=r"(?s)a pickle.*python -c .*save_file"):
        read_directions(path)
    assert not (tmp_path / "ran").exists()
    path.write_bytes(b"PK\x03\x04rest of a zip that torch.save wrote")
    with pytest.raises(StoreError, match="a pickle"):
        read_directions(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no direction in it"),
        ({-1: np.ones(2)}, "block -1"),
        ({"a": np.ones(2)}, "block a"),
        ({True: np.ones(2)}, "block True"),
        ({1: np.ones(2, int)}, "int64 of shape"),
        ({1: np.array(1.0)}, r"shape \(\)"),
        ({1: np.array([])}, r"shape \(0,\)"),
        ({1: np.array(["x"])}, "expected floats"),
        ({10**6: np.ones(2)}, "block 1000000"),
    ],
)
def test_arrays_that_are_no_directions_are_refused(arrays, message):
    with pytest.raises(AsteerError, match=message):
        from_directions(arrays)


def test_a_missing_file_and_nameless_tensors_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"nowhere\.gguf: cannot be read"):
        read_directions(tmp_path / "nowhere.gguf")
    with pytest.raises(StoreError, match="cannot be read"):
        read_directions(tmp_path)
    save_file({"wte": np.ones(4, np.float32)}, tmp_path / "v.safetensors")
    with pytest.raises(StoreError, match=r"'wte' names no block; call the tensors direction\.N"):
        read_directions(tmp_path / "v.safetensors")
    save_file({"1": np.ones(4, np.float32), "layer.1": np.ones(4, np.float32)}, tmp_path / "v.safetensors")
    with pytest.raises(StoreError, match="two directions for block 1"):
        read_directions(tmp_path / "v.safetensors")
