"""Whatever a vector file holds, the answer is vectors or an `AsteerError`: no traceback, no hang, no memory bomb."""

import contextlib
import json
import struct
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asteer_core.errors import AsteerError, StoreError
from asteer_core.types import SteeringVector
from asteer_core.vector_files import Directions, load_vectors, read_directions, save_vectors, write_control_vector

BRIEF = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
DIRECTION = np.array([0.6, 0.8, 0, 0], np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a sound file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    write_control_vector(folder / "v.gguf", {1: DIRECTION, 2: 3 * DIRECTION}, "llama", {"concept": "toxicity"})
    save_vectors(folder / "v.safetensors", [SteeringVector("toxicity", "tiny", "angular", 1, DIRECTION, 2.0, 0.9, 1.0, {"b2": DIRECTION})])
    return {kind: (folder / f"v.{kind}").read_bytes() for kind in ("gguf", "safetensors")}


def outcome(path):
    """Read a file as what it may be; anything but an AsteerError leaves as it is."""
    try:
        found = read_directions(path)
    except AsteerError as error:
        found = error
    if isinstance(found, AsteerError):
        assert str(path) in str(found)
        return None
    assert isinstance(found, Directions) and all(np.isfinite(array).all() for array in found.by_block.values())
    return found


@BRIEF
@given(st.binary(max_size=300))
@example(b"")
@example(b"GGUF")
def test_arbitrary_bytes(tmp_path, content):
    for start in (b"", b"GGUF", b"GGUF\x03\0\0\0"):
        (tmp_path / "v").write_bytes(start + content)
        outcome(tmp_path / "v")


@BRIEF
@given(kind=st.sampled_from(["gguf", "safetensors"]), place=st.floats(0, 1, exclude_max=True), new=st.binary(min_size=1, max_size=9))
def test_a_few_bytes_changed(tmp_path, whole, kind, place, new):
    content = bytearray(whole[kind])
    start = int(place * len(content))
    content[start : start + len(new)] = new
    (tmp_path / "v").write_bytes(content)
    outcome(tmp_path / "v")


@pytest.mark.parametrize("kind", ["gguf", "safetensors"])
def test_every_truncation_is_refused(tmp_path, whole, kind):
    for end in range(len(whole[kind])):
        (tmp_path / "v").write_bytes(whole[kind][:end])
        # The last bytes of a GGUF file may be padding, without which it is whole.
        assert outcome(tmp_path / "v") is None or not any(whole[kind][end:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FACTS = ("block", "scale", "separation", "cosine_to_mean_difference", "extras", "metadata")


@BRIEF
@given(data=st.data())
def test_a_header_of_ours_with_a_wrong_entry(tmp_path, whole, data):
    size = struct.unpack("<Q", whole["safetensors"][:8])[0]
    outer = json.loads(whole["safetensors"][8 : 8 + size])
    header = json.loads(outer["__metadata__"]["asteer"])
    owner = data.draw(st.sampled_from([header, header["vectors"][0]]))
    owner[data.draw(st.sampled_from(sorted(owner)))] = data.draw(JSON)
    outer["__metadata__"]["asteer"] = json.dumps(header)
    text = json.dumps(outer).encode()
    (tmp_path / "v").write_bytes(struct.pack("<Q", len(text)) + text + whole["safetensors"][8 + size :])
    vectors = {}
    with contextlib.suppress(AsteerError):
        vectors = load_vectors(tmp_path / "v")
    for vector in vectors.values():
        assert isinstance(vector.metadata, dict) and vector.scale > 0 and vector.block >= 0
        assert vector.separation is None or 0 <= vector.separation <= 1.01
    outcome(tmp_path / "v")


def text(value):
    return struct.pack("<Q", len(value)) + value


HEAD = text(b"general.architecture") + struct.pack("<I", 8) + text(b"controlvector")


@pytest.mark.parametrize(
    ("fields", "tensors", "n_fields", "n_tensors"),
    [
        # The announced array needs no byte of the file for its length alone to keep a trusting reader busy for ever.
        (HEAD + text(b"x") + struct.pack("<IIQ", 9, 5, 1 << 40), b"", 2, 0),
        (HEAD + text(b"x") + struct.pack("<IIQ", 9, 8, 1 << 60), b"", 2, 0),
        (HEAD + text(b"x") + struct.pack("<IIQ", 9, 9, 1 << 60), b"", 2, 0),
        (HEAD + text(b"x") + struct.pack("<IQ", 8, 1 << 62), b"", 2, 0),
        (HEAD, b"", 1, 1 << 60),
        (HEAD, b"", 1 << 60, 0),
        (HEAD, text(b"direction.1") + struct.pack("<IQIQ", 1, 1 << 61, 0, 0), 1, 1),
        (HEAD, text(b"direction.1") + struct.pack("<IQQIQ", 2, 1 << 33, 1 << 33, 0, 0), 1, 1),
        (HEAD, text(b"direction.1") + struct.pack("<IQIQ", 1, 4, 0, 1 << 62), 1, 1),
        (HEAD, text(b"direction.1") + struct.pack("<I", 1 << 31), 1, 1),
        (HEAD + text(b"general.alignment") + struct.pack("<II", 4, 0), b"", 2, 0),
        (HEAD + text(b"general.alignment") + struct.pack("<Id", 12, 0.5), b"", 2, 0),
    ],
)
def test_huge_counts_are_refused_at_once(tmp_path, fields, tensors, n_fields, n_tensors):
    (tmp_path / "v").write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, n_tensors, n_fields) + fields + tensors)
    began = time.monotonic()
    with pytest.raises(StoreError, match="v: "):
        read_directions(tmp_path / "v")
    assert time.monotonic() - began < 2
