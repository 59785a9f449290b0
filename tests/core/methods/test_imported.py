"""An imported direction is the file's, at unit norm, with the evidence of the pairs; what does not fit is refused by file."""

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import save_file

from asteer_core.errors import AsteerError, DataError, ModelError, StoreError
from asteer_core.methods import METHODS, Given, fit_vector
from asteer_core.methods.imported import ImportedOptions
from asteer_core.vector_files import write_control_vector
from tests.core.methods.conftest import D, planted_pairs

POSITIVE, NEGATIVE, TRUTH = planted_pairs(0)
TRAIN, HELD = (POSITIVE[:120], NEGATIVE[:120]), (POSITIVE[120:], NEGATIVE[120:])


@pytest.fixture
def given(tmp_path):
    write_control_vector(tmp_path / "v.gguf", {2: 3 * TRUTH, 4: np.ones(D)}, "llama", {"model_fingerprint": "ab"})
    return Given(options=ImportedOptions(path="v.gguf"), files={"v.gguf": tmp_path / "v.gguf"})


def fit(given, block=2, weights="ab"):
    rng = np.random.default_rng(0)
    return fit_vector("toxicity", "tiny", "imported", block, TRAIN, HELD, 10.0, rng, given, {"model_fingerprint": weights})


def with_options(given, **options):
    return dataclasses.replace(given, options=ImportedOptions(path="v.gguf", **options))


def test_the_direction_is_the_files_and_the_evidence_that_of_the_pairs(given):
    vector = fit(given)
    np.testing.assert_allclose(vector.direction, TRUTH, atol=1e-6)
    assert vector.separation > 0.6 and vector.cosine_to_mean_difference > 0.98
    assert vector.metadata["norm_in_file"] == pytest.approx(3, abs=1e-5) and vector.metadata["source_form"] == "gguf"
    assert vector.metadata["heldout_pairs"] == 40
    (edit,) = METHODS.get("imported").edits(vector, 0.5)
    np.testing.assert_allclose(edit.vector, 5.0 * TRUTH, atol=1e-5)


def test_a_flip_and_a_shift_are_obeyed(given):
    flipped = fit(with_options(given, flip=True))
    np.testing.assert_allclose(flipped.direction, -TRUTH, atol=1e-6)
    assert flipped.separation == pytest.approx(1 - fit(given).separation)
    np.testing.assert_allclose(fit(with_options(given, shift=-1), block=1).direction, TRUTH, atol=1e-6)


def test_the_path_may_name_model_and_layer(given, tmp_path):
    options = ImportedOptions(path="{model}-{layer}.gguf")
    assert options.files("tiny", 2) == ("tiny-2.gguf",)
    named = dataclasses.replace(given, options=options, files={"tiny-2.gguf": tmp_path / "v.gguf"})
    np.testing.assert_allclose(fit(named).direction, TRUTH, atol=1e-6)


def test_what_does_not_fit_is_refused_and_the_file_named(given, tmp_path):
    with pytest.raises(ModelError, match=r"block 3: .*v\.gguf: no direction for block 3; it has blocks \[2, 4\]"):
        fit(given, block=3)
    with pytest.raises(ModelError, match=r"v\.gguf: found on weights ab, but model 'tiny' has cd"):
        fit(given, weights="cd")
    fit(with_options(given, other_weights=True), weights="cd")
    save_file({"2": np.ones(D + 1, np.float32)}, tmp_path / "v.gguf")
    with pytest.raises(ModelError, match=r"v\.gguf: directions have width 49, but model 'tiny' has 48"):
        fit(given)
    (tmp_path / "v.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(StoreError, match="a pickle"):
        fit(given)
    (tmp_path / "v.gguf").unlink()
    with pytest.raises(StoreError, match=r"v\.gguf: cannot be read"):
        fit(given)


def test_without_a_file_it_says_so():
    with pytest.raises(DataError, match="needs 'files'"):
        fit(Given())
    with pytest.raises(AsteerError, match="needs 'files'"):
        fit(Given(options=ImportedOptions(path="v.gguf")))
