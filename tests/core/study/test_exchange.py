"""Vectors come into a home with evidence, are found by name, and leave it as what the method adds."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from asteer_core.errors import AsteerError, ConfigError, DataError, ModelError
from asteer_core.methods import METHODS, save_vectors
from asteer_core.model.depth import read_architecture
from asteer_core.model.specs import load_registry
from asteer_core.study.exchange import export_vectors, find_vectors, import_vectors, list_vectors
from asteer_core.types import SteeringVector
from asteer_core.vector_files import read_directions, write_control_vector

WIDTH, BLOCKS = 160, 5


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def difference(small_data):
    """The mean difference of the training pairs at block 1, found by other code than the import's."""
    import polars as pl

    from asteer_core.concepts import load_concept
    from asteer_core.model import capture, load_model

    model = load_model(load_registry(small_data / "models.yaml")["neox-2m"], small_data)
    pairs = load_concept("toxicity", small_data / "concepts").pairs.filter(pl.col("split") == "extraction")
    sides = [capture(model, pairs["prompt"].to_list(), pairs[side].to_list(), [1])[1] for side in ("violating", "compliant")]
    return (sides[0] - sides[1]).mean(axis=0)


@pytest.fixture(scope="module")
def imported(tmp_path_factory, small_data, home, difference):
    """A control vector that another tool could have written, imported."""
    path = tmp_path_factory.mktemp("files") / "Rude.gguf"
    write_control_vector(path, {1: 7 * difference}, "gpt_neox", {"tool": "another"})
    return path, import_vectors(path, "toxicity", "neox-2m", home=home, data_root=small_data)


def test_an_imported_vector_has_the_evidence_of_a_fitted_one(imported, difference):
    path, made = imported
    vector = made.vectors[1]
    assert (made.name, vector.method, vector.concept, vector.model) == ("rude", "imported", "toxicity", "neox-2m")
    assert vector.separation > 0.9 and vector.cosine_to_mean_difference == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(vector.direction) == pytest.approx(1, abs=1e-6) and vector.scale > 0
    assert vector.metadata["norm_in_file"] == pytest.approx(7 * np.linalg.norm(difference), rel=1e-5)
    assert vector.metadata["source"] == str(path) and vector.metadata["source_facts"] == {"tool": "another"}
    assert vector.metadata["architecture"] == "gpt_neox" and len(vector.metadata["model_fingerprint"]) == 16


def test_a_flipped_import_separates_the_other_way(imported, small_data, home):
    path, made = imported
    flipped = import_vectors(path, "toxicity", "neox-2m", name="kind", flip=True, home=home, data_root=small_data).vectors[1]
    assert flipped.separation == pytest.approx(1 - made.vectors[1].separation)
    np.testing.assert_array_equal(flipped.direction, -made.vectors[1].direction)


def test_a_shift_moves_the_vector_to_the_block_it_was_read_from(imported, small_data, home):
    moved = import_vectors(imported[0], "toxicity", "neox-2m", name="moved", shift=1, home=home, data_root=small_data)
    assert list(moved.vectors) == [2] and moved.vectors[2].separation != imported[1].vectors[1].separation


def test_what_was_imported_is_listed_and_found_by_name_beside_what_studies_made(imported, home):
    study = home / "studies" / "mine" / "artifacts" / "vectors" / "concept=toxicity" / "neox-2m~caa.safetensors"
    direction = np.eye(WIDTH, dtype=np.float32)[0]
    save_vectors(study, [SteeringVector("toxicity", "neox-2m", "caa", 1, direction, 2.0)])
    broken = study.with_name("neox-2m~pca.safetensors")
    broken.write_bytes(study.read_bytes()[:50])
    shelved = {one.name: one for one in list_vectors(home)}
    assert {"rude", "mine/toxicity/neox-2m:caa", "mine/toxicity/neox-2m:pca"} <= set(shelved)
    assert shelved["mine/toxicity/neox-2m:pca"].vectors is None and "pca.safetensors" in shelved["mine/toxicity/neox-2m:pca"].problem
    assert find_vectors("mine/toxicity/neox-2m:caa", home) == study
    assert find_vectors(str(study), home) == study
    with pytest.raises(ConfigError, match="Did you mean 'rude'"):
        find_vectors("rud", home)
    with pytest.raises(ConfigError, match=r"x\.gguf: no such file"):
        find_vectors("x.gguf", home)


@pytest.mark.parametrize(
    ("tensors", "model", "options", "error", "message"),
    [
        ({"direction.1": np.ones(WIDTH, np.float32)}, "llama-3m", {}, ModelError, r"v\.safetensors: directions have width 160.*192"),
        ({f"direction.{BLOCKS}": np.ones(WIDTH, np.float32)}, "neox-2m", {}, ModelError, r"v\.safetensors: direction for block 5.*0 to"),
        ({"direction.1": np.ones(WIDTH, np.float32)}, "neox-2m", {"shift": -2}, DataError, r"v\.safetensors: a shift of -2"),
        ({"direction.1": np.ones(WIDTH, np.float32)}, "neox-3m", {}, ConfigError, "Did you mean 'neox-2m'"),
        ({"direction.1": np.ones(WIDTH, np.float32)}, "neox-2m", {"name": "rude"}, ConfigError, "--replace"),
        ({"direction.1": np.ones(WIDTH, np.float32)}, "neox-2m", {"name": "../x"}, ConfigError, "vectors name"),
    ],
)
def test_an_import_that_cannot_be_meant_is_refused_and_leaves_nothing(
    imported, tmp_path, small_data, home, tensors, model, options, error, message
):
    save_file(tensors, tmp_path / "v.safetensors")
    before = sorted(home.rglob("*.safetensors"))
    with pytest.raises(error, match=message):
        import_vectors(tmp_path / "v.safetensors", "toxicity", model, home=home, data_root=small_data, **options)
    assert sorted(home.rglob("*.safetensors")) == before


def test_a_file_that_names_other_weights_is_taken_only_when_asked(tmp_path, small_data, home, imported):
    write_control_vector(tmp_path / "other.gguf", {1: np.ones(WIDTH)}, "gpt_neox", {"model_fingerprint": "0" * 16})
    with pytest.raises(ModelError, match="other.gguf: found on weights 0000000000000000.*--other-weights"):
        import_vectors(tmp_path / "other.gguf", "toxicity", "neox-2m", home=home, data_root=small_data)
    import_vectors(tmp_path / "other.gguf", "toxicity", "neox-2m", home=home, data_root=small_data, other_weights=True)


def additive(tmp_path, method="caa", extras=None):
    rng = np.random.default_rng(1)
    vectors = []
    for block in (0, 1, 3):
        direction = rng.standard_normal(8).astype(np.float32)
        vectors.append(SteeringVector("c", "m", method, block, direction / np.linalg.norm(direction), 2.0 + block, extras=extras or {}))
    save_vectors(tmp_path / "v.safetensors", vectors)
    return tmp_path / "v.safetensors", {vector.block: vector for vector in vectors}


def test_what_leaves_as_gguf_is_what_the_method_adds_at_that_strength(tmp_path):
    path, vectors = additive(tmp_path)
    assert export_vectors(path, tmp_path / "v.gguf", strength=0.25, blocks=[1, 3], model_hint="llama") == [1, 3]
    found = read_directions(tmp_path / "v.gguf")
    for block in (1, 3):
        (edit,) = METHODS.get("caa").edits(vectors[block], 0.25)
        np.testing.assert_allclose(found.by_block[block], edit.vector, rtol=1e-6)
    assert found.facts["strength"] == 0.25 and found.facts["concept"] == "c"


def test_plain_safetensors_and_unit_directions_leave_too(tmp_path):
    path, vectors = additive(tmp_path)
    export_vectors(path, tmp_path / "out.safetensors", unit=True)
    tensors = load_file(tmp_path / "out.safetensors")
    assert sorted(tensors) == ["direction.0", "direction.1", "direction.3"]
    np.testing.assert_allclose(tensors["direction.3"], vectors[3].direction, atol=1e-7)
    assert json.loads(read_directions(tmp_path / "out.safetensors").facts["scale"].replace("'", '"')) == {"0": 2.0, "1": 3.0, "3": 5.0}


def test_an_export_that_other_tools_could_not_obey_is_refused(tmp_path):
    path, _ = additive(tmp_path)
    with pytest.raises(DataError, match=r"block 0; export other blocks, such as \[1, 3\]"):
        export_vectors(path, tmp_path / "v.gguf", model_hint="llama")
    with pytest.raises(ConfigError, match="--model-hint"):
        export_vectors(path, tmp_path / "v.gguf", blocks=[1])
    with pytest.raises(ConfigError, match=r"no vector for block 2; it has blocks \[0, 1, 3\]"):
        export_vectors(path, tmp_path / "v.gguf", blocks=[2])
    with pytest.raises(ConfigError, match=r"end it in \.gguf"):
        export_vectors(path, tmp_path / "v.pt")
    with pytest.raises(AsteerError, match="nothing is added at strength 0"):
        export_vectors(path, tmp_path / "v.gguf", strength=0.0, model_hint="llama")
    angular, _ = additive(tmp_path, "angular", {"b2": np.ones(8, np.float32)})
    with pytest.raises(DataError, match="'angular' does more than add.*--unit"):
        export_vectors(angular, tmp_path / "v.gguf", blocks=[1], model_hint="llama")
    assert export_vectors(angular, tmp_path / "v.gguf", blocks=[1], model_hint="llama", unit=True) == [1]


def test_the_architecture_of_a_shipped_model_is_read_without_loading_it(small_data):
    registry = load_registry(small_data / "models.yaml")
    assert [read_architecture(registry[name], small_data) for name in ("llama-3m", "neox-2m")] == ["llama", "gpt_neox"]
