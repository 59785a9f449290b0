"""A study steers with vectors of other tools like with its own, and a changed file is another study."""

import numpy as np
import pytest

from asteer_core.study import PartialFailure, Workspace, parse_study, run_line, steering_vectors
from asteer_core.study.exchange import export_vectors
from asteer_core.study.stages.vectors import vector_path
from asteer_core.vector_files import load_vectors, write_control_vector

WIDTH = 160


def study(*entries):
    return parse_study(
        {
            "name": "exchange", "concepts": ["toxicity"], "models": ["neox-2m"], "grid": list(entries), "sampling": {"max_new_tokens": 8},
            "size": {"prompts": 4}, "metrics": {"m": 4, "subsamples": 2}, "detectors": {"seeds": 1, "bootstrap": 50},
        },
        "study.yaml",
    )  # fmt: skip


def imported(path, **more):
    return {"method": "imported", "layers": [1], "strengths": [0.4], "options": {"path": str(path), **more.pop("options", {})}, **more}


CAA = {"method": "caa", "layers": [1], "strengths": [0.4]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_data):
    """A study of its own CAA vector and of the same vector after it went out as GGUF and came back."""
    home = tmp_path_factory.mktemp("home")
    first = Workspace(study(CAA), home=home, data_root=small_data)
    list(run_line(first, until="steering_vectors"))
    export_vectors(vector_path(first, "toxicity", "neox-2m:caa"), home / "mine.gguf", blocks=[1], home=home, data_root=small_data)
    ws = Workspace(study(CAA, imported("mine.gguf", name="back")), home=home, data_root=small_data)
    return ws, list(run_line(ws, until="steered_corpora"))


def test_a_vector_that_went_out_as_gguf_comes_back_with_the_same_evidence(finished):
    ws, _ = finished
    own, back = (load_vectors(vector_path(ws, "toxicity", f"neox-2m:{label}"))[1] for label in ("caa", "back"))
    np.testing.assert_allclose(back.direction, own.direction, atol=1e-6)
    assert back.separation == pytest.approx(own.separation, abs=1e-6) and back.scale == own.scale
    assert back.cosine_to_mean_difference == pytest.approx(1, abs=1e-6)
    assert back.metadata["source_facts"]["method"] == "caa" and back.metadata["norm_in_file"] == pytest.approx(own.scale, rel=1e-5)


def test_its_corpora_are_steered_as_far(finished):
    ws, _ = finished
    corpora = ws.store.read_many("corpora", ws.plan.pairs)
    assert corpora.height == 2 and (corpora["steered_tokens"] > 0).all()
    assert corpora["kl"][0] == pytest.approx(corpora["kl"][1], rel=1e-3)


def test_a_changed_file_makes_the_vector_again_and_an_unchanged_one_does_not(finished, small_data):
    ws, _ = finished
    again = Workspace(ws.study, home=ws.home, data_root=small_data)
    key = [("toxicity", "neox-2m:back")]
    assert [done.reused for done in steering_vectors(again, key)] == [True]
    before = (ws.home / "mine.gguf").read_bytes()
    write_control_vector(ws.home / "mine.gguf", {1: np.ones(WIDTH)}, "gpt_neox")
    try:
        assert [done.reused for done in steering_vectors(again, key)] == [False]
    finally:
        (ws.home / "mine.gguf").write_bytes(before)


def test_what_was_imported_is_named_without_a_path(finished, small_data):
    ws, _ = finished
    (ws.home / "vectors").mkdir(exist_ok=True)
    (ws.home / "vectors" / "rude.safetensors").write_bytes((ws.home / "mine.gguf").read_bytes())
    named = Workspace(study(imported("rude")), home=ws.home, data_root=small_data)
    assert [done.reused for done in steering_vectors(named, named.plan.vectors)] == [False]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (imported("nowhere.gguf"), "nowhere.gguf.*no such file; looked for"),
        (imported("mine.gguf", layers=[2]), r"mine\.gguf: no direction for block 2; it has blocks \[1\]"),
        (imported("narrow.gguf"), r"narrow\.gguf: directions have width 8, but model 'neox-2m' has 160"),
        (imported("other.gguf"), r"other\.gguf: found on weights 0{16}, but model 'neox-2m' has"),
    ],
)
def test_a_file_that_does_not_fit_fails_by_its_name(finished, small_data, entry, message):
    ws, _ = finished
    write_control_vector(ws.home / "narrow.gguf", {1: np.ones(8)}, "gpt_neox")
    write_control_vector(ws.home / "other.gguf", {1: np.ones(WIDTH)}, "gpt_neox", {"model_fingerprint": "0" * 16})
    wrong = Workspace(study(entry), home=ws.home, data_root=small_data)
    with pytest.raises(PartialFailure, match=message):
        list(steering_vectors(wrong, wrong.plan.vectors))
