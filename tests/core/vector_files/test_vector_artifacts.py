"""Vectors survive the disk bit for bit, and broken files are refused with the reason."""

import dataclasses
import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from asteer_core.errors import StoreError
from asteer_core.methods import load_vectors, save_vectors
from asteer_core.types import SteeringVector


def vector(block=0, d=8, **changes):
    rng = np.random.default_rng(block)
    direction = rng.standard_normal(d).astype(np.float32)
    direction /= np.linalg.norm(direction)
    made = SteeringVector("toxicity", "tiny", "angular", block, direction, 3.5, 0.9, 1.0, {"b2": direction[::-1].copy()}, {"pairs_used": 5})
    return dataclasses.replace(made, **changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors" / "angular.safetensors"


def test_vectors_come_back_bit_for_bit(path):
    save_vectors(path, [vector(0), vector(3, separation=None)])
    loaded = load_vectors(path, width=8)
    assert sorted(loaded) == [0, 3]
    np.testing.assert_array_equal(loaded[3].direction, vector(3).direction)
    np.testing.assert_array_equal(loaded[3].extras["b2"], vector(3).extras["b2"])
    assert loaded[3].separation is None
    assert loaded[0].metadata == {"pairs_used": 5}
    assert (loaded[0].concept, loaded[0].model, loaded[0].method, loaded[0].scale) == ("toxicity", "tiny", "angular", 3.5)


def test_the_same_vectors_give_the_same_bytes(path):
    save_vectors(path, [vector(0)])
    first = path.read_bytes()
    save_vectors(path, [vector(0)])
    assert path.read_bytes() == first


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(path, monkeypatch):
    save_vectors(path, [vector(0)])
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(StoreError, match="cannot be written .disk full.; free some disk space"):
        save_vectors(path, [vector(1)])
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([], "no vectors"),
        ([vector(0), vector(0)], "two vectors for one block"),
        ([vector(0), vector(1, concept="evasion")], "2 owners"),
        ([vector(0), vector(1, d=9)], "width 9, expected 8"),
        ([vector(0, direction=np.full(8, np.nan, dtype=np.float32))], "NaN"),
        ([vector(0, direction=np.ones(8, dtype=np.float32))], "norm 2.828, expected 1"),
        ([vector(0, direction=np.eye(8)[0])], "float64"),
        ([vector(0, scale=0.0)], "scale 0.0"),
        ([vector(0, metadata={"x": float("nan")})], "JSON"),
        ([vector(0, metadata={"x": object()})], "JSON"),
    ],
)
def test_vectors_that_cannot_be_meant_are_not_written(path, vectors, message):
    with pytest.raises(StoreError, match=message):
        save_vectors(path, vectors)
    assert not path.exists()


def test_a_missing_truncated_or_foreign_file_is_refused(path):
    with pytest.raises(StoreError, match="no such file"):
        load_vectors(path)
    save_vectors(path, [vector(0)])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="not a readable safetensors file"):
        load_vectors(path)
    save_file({"weight": np.ones(3)}, path)
    with pytest.raises(StoreError, match="does not hold steering vectors"):
        load_vectors(path)


def test_vectors_of_another_model_version_or_with_nan_are_refused(path):
    save_vectors(path, [vector(0)])
    with pytest.raises(StoreError, match="width 8, expected 16"):
        load_vectors(path, width=16)
    tensors = load_file(path)
    header = {"kind": "steering vectors", "version": 99, "concept": "c", "model": "m", "method": "caa", "vectors": []}
    save_file(tensors, path, metadata={"asteer": json.dumps(header)})
    with pytest.raises(StoreError, match="version 99"):
        load_vectors(path)
    save_file(tensors, path, metadata={"asteer": json.dumps(header | {"kind": "judge"})})
    with pytest.raises(StoreError, match="does not hold steering vectors but judge"):
        load_vectors(path)
    for broken in ("{", "[]", "{}"):
        save_file(tensors, path, metadata={"asteer": broken})
        with pytest.raises(StoreError, match="does not hold steering vectors"):
            load_vectors(path)
    save_file(tensors, path, metadata={"asteer": json.dumps(header | {"version": 1, "vectors": [{"block": 7}]})})
    with pytest.raises(StoreError, match="header does not match the tensors"):
        load_vectors(path)
