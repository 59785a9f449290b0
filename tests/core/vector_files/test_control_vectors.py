"""Control vectors agree with the `gguf` package in both directions, and what llama.cpp would refuse is refused."""

import gguf
import numpy as np
import pytest

from asteer_core.errors import AsteerError, DataError, ModelError, StoreError
from asteer_core.vector_files import from_directions, read_directions, write_control_vector


def foreign(path, tensors, architecture="controlvector", hint="llama"):
    """Write a file with the package that repeng and llama.cpp's scripts use."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("controlvector.model_hint", hint)
    writer.add_uint32("controlvector.layer_count", len(tensors))
    writer.add_array("tokenizer.ggml.tokens", ["a", "bc"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float64("share", 0.5)
    for name, array in tensors.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def pushes(rng):
    return {block: rng.standard_normal(12).astype(np.float32) for block in (1, 5, 31)}


def test_a_file_of_the_gguf_package_is_read_number_for_number(tmp_path, pushes):
    path = foreign(tmp_path / "v.gguf", {f"direction.{block}": array for block, array in pushes.items()})
    found = read_directions(path)
    assert sorted(found.by_block) == [1, 5, 31] and found.model_hint == "llama" and found.form == "gguf"
    for block, array in pushes.items():
        np.testing.assert_array_equal(found.by_block[block], array)


def test_the_gguf_package_reads_our_file_number_for_number(tmp_path, pushes):
    write_control_vector(tmp_path / "ours.gguf", pushes, "llama", {"concept": "toxicity"})
    reader = gguf.GGUFReader(tmp_path / "ours.gguf")
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    assert reader.get_field("controlvector.layer_count").contents() == 3
    assert {tensor.name for tensor in reader.tensors} == {"direction.1", "direction.5", "direction.31"}
    for tensor in reader.tensors:
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        # The package takes any offset; llama.cpp refuses one that is not aligned.
        assert (tensor.data_offset - reader.data_offset) % 32 == 0
        np.testing.assert_array_equal(tensor.data, pushes[int(tensor.name.split(".")[1])])


def test_our_own_file_comes_back_with_its_origin(tmp_path, pushes):
    write_control_vector(tmp_path / "ours.gguf", pushes, "llama", {"concept": "toxicity", "strength": 1.0})
    found = read_directions(tmp_path / "ours.gguf")
    assert found.facts == {"concept": "toxicity", "strength": 1.0}
    assert found.digest == from_directions(pushes).digest
    assert list(tmp_path.iterdir()) == [tmp_path / "ours.gguf"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_plain_floats_are_read(tmp_path, pushes, dtype):
    path = foreign(tmp_path / "v.gguf", {f"direction.{block}": array.astype(dtype) for block, array in pushes.items()})
    np.testing.assert_array_equal(read_directions(path).by_block[5], pushes[5].astype(dtype).astype(np.float32))


def test_blocks_of_zeros_are_no_directions(tmp_path, pushes):
    found = read_directions(foreign(tmp_path / "v.gguf", {"direction.1": pushes[1], "direction.2": np.zeros(12, np.float32)}))
    assert list(found.by_block) == [1] and found.zero_blocks == (2,)
    with pytest.raises(ModelError, match=r"v\.gguf: no direction for block 2 \(it holds zeros there\); it has blocks \[1\]"):
        found.unit(2)


@pytest.mark.parametrize(
    ("tensors", "options", "message"),
    [
        ({"direction.x": np.ones(3, np.float32)}, {}, "direction.N"),
        ({"weight": np.ones(3, np.float32)}, {}, "direction.N"),
        ({"direction.1": np.ones(3, np.float32), "direction.01": np.ones(3, np.float32)}, {}, "two directions for block 1"),
        ({"direction.1": np.ones((2, 3), np.float32)}, {}, "shape"),
        ({"direction.1": np.ones(3, np.float32), "direction.2": np.ones(4, np.float32)}, {}, "several widths"),
        ({"direction.1": np.full(3, np.nan, np.float32)}, {}, "NaN"),
        ({"direction.1": np.full(3, 1e300)}, {}, "beyond float32"),
        ({"direction.1": np.zeros(3, np.float32)}, {}, "zeros"),
        ({"direction.1": np.ones(3, np.int8)}, {}, "type 24"),
        ({"direction.1": np.ones(3, np.float32)}, {"architecture": "llama"}, "architecture 'llama', expected 'controlvector'"),
    ],
)
def test_what_is_no_control_vector_is_refused_by_name(tmp_path, tensors, options, message):
    path = foreign(tmp_path / "v.gguf", tensors, **options)
    with pytest.raises(StoreError, match=message) as caught:
        read_directions(path)
    assert str(path) in str(caught.value)


def test_what_llama_cpp_cannot_steer_is_not_written(tmp_path):
    path = tmp_path / "ours.gguf"
    with pytest.raises(DataError, match=r"block 0; export other blocks, such as \[2\]"):
        write_control_vector(path, {0: np.ones(3), 2: np.ones(3)}, "llama")
    with pytest.raises(DataError, match="model hint"):
        write_control_vector(path, {1: np.ones(3)}, "")
    with pytest.raises(AsteerError, match="NaN"):
        write_control_vector(path, {1: np.array([np.nan])}, "llama")
    with pytest.raises(AsteerError, match="JSON"):
        write_control_vector(path, {1: np.ones(3)}, "llama", {"x": object()})
    assert not path.exists()
