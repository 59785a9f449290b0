"""Every method through the stages of a study on a shipped model: a vector with its evidence, a corpus that was really steered."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from asteer_core.methods import METHODS, load_vectors
from asteer_core.study import PartialFailure, Workspace, parse_study, stages
from asteer_core.study.stages import corpora
from asteer_core.study.stages.vectors import vector_path

OPTIONS = {"iti": {"top_k": 3}, "learned": {"epochs": 2, "batch_size": 8}, "sae": {"sae": "", "top_k": 4}}
PROMPTS = 6
NAMES = [name for name in METHODS.names() if name != "imported"]  # it fits nothing, and has tests of its own


def autoencoder(path, width):
    """Write an autoencoder whose latents are random directions, both ways."""
    rows = np.random.default_rng(0).standard_normal((2 * width, width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    save_file({"W_enc": rows.T.copy(), "W_dec": rows, "b_enc": np.zeros(2 * width, np.float32)}, path)
    return str(path)


def entry(name, sae):
    options = {**OPTIONS.get(name, {}), **({"sae": sae} if name == "sae" else {})}
    found = {"method": name, "layers": [1], "options": options}
    return {**found, "strengths": [0.5]} if METHODS.get(name).has_dial else found


def study_of(names, sae, **more):
    value = {
        "name": "every",
        "concepts": ["toxicity", "evasion"],
        "models": ["neox-2m"],
        "grid": [entry(name, sae) for name in names],
        "sampling": {"max_new_tokens": 12},
        "size": {"prompts": PROMPTS},
        "metrics": {"m": 4},
    }
    return parse_study({**value, **more}, "every.yaml")


def run(ws):
    list(stages.contrastive_prompts(ws, ws.plan.concepts))
    vectors = list(stages.steering_vectors(ws, [pair for pair in ws.plan.vectors if pair[0] == "toxicity"]))
    return vectors, list(stages.steered_corpora(ws, [pair for pair in ws.plan.pairs if pair[0] == "toxicity"]))


COMBINATION = {
    "name": "two-blocks",
    "parts": [{"method": "caa", "layers": [1, 2]}, {"method": "ablation", "layers": [1]}],
    "strengths": [0.3],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_data):
    folder = tmp_path_factory.mktemp("every")
    study = study_of(NAMES, autoencoder(folder / "sae.safetensors", 160), combinations=[COMBINATION])
    ws = Workspace(study, home=folder / "home", data_root=small_data)
    return ws, *run(ws)


def test_every_method_gives_a_vector_and_a_corpus(finished):
    ws, vectors, corpora = finished
    assert {done.key for done in vectors} == {f"neox-2m:{name}" for name in NAMES}
    assert len(corpora) == len(NAMES) + 1 and all(done.rows == PROMPTS for done in corpora)
    for name in NAMES:
        found = load_vectors(vector_path(ws, "toxicity", f"neox-2m:{name}"))[1]
        assert found.method == name and found.separation is not None


def test_every_corpus_was_really_steered(finished):
    ws, _, _ = finished
    frame = ws.store.read_many("corpora", [pair for pair in ws.plan.pairs if pair[0] == "toxicity"])
    assert frame.filter((pl.col("kl") > 0) & (pl.col("displacement") > 0)).height == frame.height
    steered = dict(frame.select("method", "steered_tokens").rows())
    assert min(steered.values()) > 0
    assert steered["two-blocks"] > 0 and frame.filter(pl.col("method") == "two-blocks")["layer"].to_list() == [None]
    assert frame.filter(pl.col("method") == "ablation")["strength"].to_list() == [None]


def test_the_gate_of_cast_leaves_some_rows_alone_and_tells_its_precision(finished):
    ws, _, _ = finished
    facts = load_vectors(vector_path(ws, "toxicity", "neox-2m:cast"))[1].metadata
    assert 0 <= facts["gate_precision"] <= 1 and 0 < facts["gate_recall"] <= 1 and min(facts["gate_prompts"]) >= 4
    rows = ws.store.read("responses", "toxicity", "neox-2m:cast:L01:s0.50")
    assert set(rows.select(pl.col("steered_tokens") > 0).to_series()) <= {True, False}


def test_a_gate_that_opens_for_no_prompt_is_an_error_not_a_corpus(finished, monkeypatch):
    ws, _, _ = finished
    key = "neox-2m:cast:L01:s0.50"
    method = type(METHODS.get("cast"))
    gate = method.gate
    monkeypatch.setattr(method, "gate", lambda self, vector: replace(gate(self, vector), threshold=2.0))
    before = ws.store.path("responses", "toxicity", key).read_bytes()
    ws.store.path("responses", "toxicity", key).unlink()
    try:
        with pytest.raises(PartialFailure, match=f"the gate opened for none of {PROMPTS} prompts"):
            list(stages.steered_corpora(ws, [("toxicity", key)]))
    finally:
        ws.store.path("responses", "toxicity", key).write_bytes(before)


def test_a_corpus_of_which_no_token_was_steered_is_an_error_and_the_others_are_made(finished, monkeypatch):
    ws, _, _ = finished
    idle, other = "neox-2m:caa:L01:s0.50", "neox-2m:pca:L01:s0.50"
    kept = {key: ws.store.path("responses", "toxicity", key).read_bytes() for key in (idle, other)}
    (unlucky,) = ws.store.read("responses", "toxicity", idle)["configuration_id"].unique()
    answer = corpora._answer

    def half_asleep(*given):
        return [replace(row, steered_tokens=0) if row.row_id.startswith(f"{unlucky}/") else row for row in answer(*given)]

    monkeypatch.setattr(corpora, "_answer", half_asleep)
    for key in kept:
        ws.store.path("responses", "toxicity", key).unlink()
    try:
        with pytest.raises(PartialFailure, match=r"caa.*none of \d+ generated tokens was steered"):
            list(stages.steered_corpora(ws, [("toxicity", idle), ("toxicity", other)]))
        assert [ws.store.path("responses", "toxicity", key).exists() for key in (idle, other)] == [False, True]
    finally:
        for key, content in kept.items():
            ws.store.path("responses", "toxicity", key).write_bytes(content)


def test_the_learned_vector_lowers_the_loss_it_was_trained_on(finished):
    ws, _, _ = finished
    facts = load_vectors(vector_path(ws, "toxicity", "neox-2m:learned"))[1].metadata
    assert facts["heldout_loss"] < facts["heldout_loss_without"]
    assert facts["options"]["epochs"] == 2 and facts["tuning_pairs"] + facts["heldout_pairs"] == 30


def test_heads_of_the_shipped_model_are_pushed_where_they_are(finished):
    ws, _, _ = finished
    vector = load_vectors(vector_path(ws, "toxicity", "neox-2m:iti"))[1]
    assert len(vector.metadata["heads"]) == 3 and vector.metadata["head_dim"] == 32
    push = np.abs(vector.extras["heads"].reshape(5, 32)).sum(axis=1)
    assert sorted(np.flatnonzero(push)) == sorted(vector.metadata["heads"])


def test_an_autoencoder_of_another_width_fails_alone(tmp_path, small_data):
    study = study_of(["caa", "sae"], autoencoder(tmp_path / "sae.safetensors", 24))
    ws = Workspace(study, home=tmp_path / "home", data_root=small_data)
    list(stages.contrastive_prompts(ws, ws.plan.concepts))
    made = []
    with pytest.raises(PartialFailure) as caught:
        made.extend(stages.steering_vectors(ws, [("toxicity", "neox-2m:caa"), ("toxicity", "neox-2m:sae")]))
    assert list(caught.value.failures) == [("toxicity", "neox-2m:sae")]
    assert "width 24, but the model has width 160" in str(caught.value)
    assert (tmp_path / "home" / "studies" / "every").is_dir() and vector_path(ws, "toxicity", "neox-2m:caa").is_file()


def test_other_options_and_another_file_make_stored_vectors_stale(tmp_path, small_data):
    def key(**changes):
        ws = Workspace(study_of(["sae"], str(tmp_path / "sae.safetensors"), **changes), home=tmp_path / "home", data_root=small_data)
        list(stages.contrastive_prompts(ws, ws.plan.concepts))
        list(stages.steering_vectors(ws, [("toxicity", "neox-2m:sae")]))
        return ws.store.content_key("steering_vectors", "toxicity", "neox-2m:sae")

    autoencoder(tmp_path / "sae.safetensors", 160)
    first = key()
    assert key() == first
    grid = [{**entry("sae", str(tmp_path / "sae.safetensors")), "options": {"sae": str(tmp_path / "sae.safetensors"), "top_k": 2}}]
    assert key(grid=grid) != first
    rows = np.random.default_rng(5).standard_normal((50, 160)).astype(np.float32)
    save_file({"W_enc": rows.T.copy(), "W_dec": rows}, tmp_path / "sae.safetensors")
    assert key() != first


def test_a_file_that_is_nowhere_is_named_with_the_places(tmp_path, small_data):
    ws = Workspace(study_of(["sae"], "nowhere.safetensors"), home=tmp_path / "home", data_root=small_data)
    list(stages.contrastive_prompts(ws, ws.plan.concepts))
    with pytest.raises(PartialFailure, match="'nowhere.safetensors': no such file; looked for"):
        list(stages.steering_vectors(ws, [("toxicity", "neox-2m:sae")]))


def test_cast_without_another_concept_says_what_to_name(tmp_path, small_data):
    ws = Workspace(study_of(["cast"], "", concepts=["toxicity"]), home=tmp_path / "home", data_root=small_data)
    list(stages.contrastive_prompts(ws, ws.plan.concepts))
    with pytest.raises(PartialFailure, match=r"options: \{against: \[\.\.\.\]\}"):
        list(stages.steering_vectors(ws, [("toxicity", "neox-2m:cast")]))
