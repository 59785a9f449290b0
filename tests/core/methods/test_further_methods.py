"""What is particular to ablation, ace, cast, iti, learned and sae: their formulas by hand, their choices, and what they refuse."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from asteer_core.errors import ConfigError, DataError, StoreError
from asteer_core.methods import METHODS, Given, HeadPairs, PromptSets, fit_vector
from asteer_core.methods._sae_file import read_sae
from asteer_core.methods.cast import best_threshold
from asteer_core.types import TrainedVector
from tests.core.methods.conftest import D, planted_pairs, prompt_sets


def fit(name, seed=0, **given):
    positive, negative, _ = planted_pairs(seed)
    return METHODS.get(name).fit(positive, negative, np.random.default_rng(0), Given(block=2, model="tiny", **given))


def vector_of(name, seed=0, **given):
    positive, negative, _ = planted_pairs(seed)
    held = (positive[120:], negative[120:])
    return fit_vector("toxicity", "tiny", name, 2, (positive, negative), held, 10.0, np.random.default_rng(0), Given(**given))


def applied(edit, h):
    return h - (h @ edit.direction)[:, None] * edit.direction + edit.offset


def test_ablation_leaves_nothing_along_the_direction_and_all_the_rest():
    vector = vector_of("ablation")
    (edit,) = METHODS.get("ablation").edits(vector)
    h = np.random.default_rng(1).standard_normal((20, D))
    after = applied(edit, h)
    assert np.abs(after @ vector.direction).max() < 1e-5
    rest = np.eye(D) - np.outer(vector.direction, vector.direction)
    np.testing.assert_allclose(after @ rest, h @ rest, atol=1e-5)


@pytest.mark.parametrize("strength", [0.0, 0.5, -1.0])
def test_ablation_refuses_any_strength_and_names_the_method_that_has_one(strength):
    for call in (METHODS.get("ablation").check_strength, lambda s: METHODS.get("ablation").edits(vector_of("ablation"), s)):
        with pytest.raises(ConfigError, match="no strength.*'ace'"):
            call(strength)


@pytest.mark.parametrize("strength", [0.3, -0.7])
def test_ace_sets_the_component_to_that_of_compliant_replies_plus_the_dial(strength):
    vector = vector_of("ace")
    (edit,) = METHODS.get("ace").edits(vector, strength)
    after = applied(edit, np.random.default_rng(1).standard_normal((20, D)) * 9)
    compliant = planted_pairs(0)[1].mean(axis=0) @ vector.direction
    np.testing.assert_allclose(after @ vector.direction, compliant + strength * 10.0, rtol=1e-4)
    assert vector.metadata["violating_component"] > vector.metadata["compliant_component"] == pytest.approx(compliant, rel=1e-5)


def test_cast_opens_for_its_own_prompts_and_says_how_well():
    vector = vector_of("cast", prompts={2: prompt_sets(0)})
    gate = METHODS.get("cast").gate(vector)
    sets = prompt_sets(0)

    def opened(rows):
        return rows @ gate.condition / np.linalg.norm(rows, axis=1) / np.linalg.norm(gate.condition) > gate.threshold

    assert gate.block == 2 and opened(sets.tuning_own).mean() > 0.9 and opened(sets.tuning_other).mean() < 0.1
    assert vector.metadata["gate_precision"] > 0.9 and vector.metadata["gate_recall"] > 0.9


def test_the_quality_of_a_gate_is_not_measured_on_the_prompts_that_chose_its_threshold():
    """Prompts without a difference: tuned and judged on the same ones precision would pass for better than chance."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sets = PromptSets(*(rng.standard_normal((20, D)) + 1 for _ in range(4)))
        try:
            facts = fit("cast", prompts={2: sets}).facts
        except DataError:
            continue
        opened_own = facts["gate_recall"]
        precision = facts["gate_precision"]
        if precision:
            found.append(opened_own - opened_own * (1 - precision) / precision)  # recall minus false alarms
    assert len(found) > 20 and abs(np.mean(found)) < 0.08


def test_cast_may_read_prompts_at_another_block():
    options = METHODS.get("cast").options(condition_layer=1)
    flat = PromptSets(*(np.ones((20, D)) for _ in range(4)))
    vector = vector_of("cast", options=options, prompts={1: prompt_sets(0), 2: flat})
    assert METHODS.get("cast").gate(vector).block == 1 and vector.block == 2
    with pytest.raises(DataError, match="condition_layer 1 does not exist"):
        vector_of("cast", options=options, prompts={2: prompt_sets(0)})


def test_a_gate_that_no_threshold_can_serve_is_refused():
    with pytest.raises(DataError, match="no threshold tells"):
        best_threshold(np.zeros(5), np.ones(5))
    with pytest.raises(DataError, match="no threshold tells"):
        best_threshold(np.zeros(5), np.zeros(5))
    assert best_threshold(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 2.5


def heads(seed=0, pairs=80, count=5, dim=6, signal=(3, 1), push=(4.0, 1.5), spread=(1.0, 3.0)):
    """Return heads of which two carry a signal, with different spreads, and a writing that is wider than it is high."""
    rng = np.random.default_rng(seed)
    negative = rng.standard_normal((pairs, count, dim))
    for head, wide in zip(signal, spread, strict=True):
        negative[:, head] *= wide
    positive = negative + 0.01 * rng.standard_normal(negative.shape)
    for head, amount in zip(signal, push, strict=True):
        positive[:, head, 0] += amount
    cut = pairs // 2
    writing = rng.standard_normal((D, count * dim)).astype(np.float32)
    return HeadPairs((positive[:cut], negative[:cut]), (positive[cut:], negative[cut:]), writing)


@pytest.mark.parametrize("seed", range(8))
def test_iti_pushes_the_best_heads_by_sigma_times_the_mean_shift(seed):
    given = heads(seed)
    found = fit("iti", heads=given, options=METHODS.get("iti").options(top_k=2))
    assert sorted(found.facts["heads"]) == [1, 3] and found.facts["heads"][0] == 3
    push = found.extras["heads"].reshape(5, 6)
    assert np.flatnonzero(np.abs(push).sum(axis=1)).tolist() == [1, 3]
    sigma = {}
    for head in (1, 3):
        theta = (given.train[0][:, head] - given.train[1][:, head]).mean(axis=0)
        theta /= np.linalg.norm(theta)
        sigma[head] = np.concatenate([given.train[0][:, head] @ theta, given.train[1][:, head] @ theta]).std()
        np.testing.assert_allclose(push[head] / np.linalg.norm(push[head]), theta, atol=1e-6)
    assert np.linalg.norm(push[1]) / np.linalg.norm(push[3]) == pytest.approx(sigma[1] / sigma[3], rel=1e-5)
    written = given.writing @ found.extras["heads"]
    np.testing.assert_allclose(written, found.direction, atol=1e-5)


def test_iti_with_more_heads_than_the_block_has_is_refused():
    with pytest.raises(DataError, match="top_k is 9, but block 2 has 5 attention heads"):
        fit("iti", heads=heads(), options=METHODS.get("iti").options(top_k=9))


def test_a_learned_vector_that_does_not_help_is_refused_and_one_that_does_tells_its_losses():
    vector = np.arange(D, dtype=np.float32)
    found = fit("learned", train=lambda **_: TrainedVector(vector, (3.0, 2.0, 1.5, 1.6), 2))
    np.testing.assert_allclose(found.direction, vector / np.linalg.norm(vector))
    assert (found.facts["heldout_loss_without"], found.facts["heldout_loss"], found.facts["epoch"]) == (3.0, 1.5, 2)
    with pytest.raises(DataError, match="2 epochs did not lower the held-out loss"):
        fit("learned", train=lambda **_: TrainedVector(np.zeros(D, np.float32), (3.0, 3.5, 3.6), 0))


def test_every_option_of_the_learned_vector_reaches_the_trainer():
    seen = {}
    options = METHODS.get("learned").options(epochs=3, batch_size=2, learning_rate=0.3, weight_decay=0.5, patience=1)
    fit("learned", options=options, train=lambda **settings: seen.update(settings) or TrainedVector(np.ones(D, np.float32), (2.0, 1.0), 1))
    assert {name: value for name, value in seen.items() if name != "rng"} == options.model_dump()


def weights(width=4, latents=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "W_enc": rng.standard_normal((width, latents)).astype(np.float32),
        "W_dec": rng.standard_normal((latents, width)).astype(np.float32),
        "b_enc": rng.standard_normal(latents).astype(np.float32),
        "b_dec": rng.standard_normal(width).astype(np.float32),
    }


def saved(folder, tensors, **settings):
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "sae.safetensors")
    if settings:
        (folder / "cfg.json").write_text(json.dumps(settings))
    return folder / "sae.safetensors"


ROWS = np.random.default_rng(9).standard_normal((5, 4)).astype(np.float32)


def test_an_autoencoder_is_read_under_either_naming(tmp_path):
    plain = weights()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = read_sae(saved(tmp_path / "a", plain))
    torch_names = {"encoder.weight": plain["W_enc"].T, "decoder.weight": plain["W_dec"].T, "encoder.bias": plain["b_enc"]}
    two = read_sae(saved(tmp_path / "b", {**torch_names, "decoder.bias": plain["b_dec"]}))
    expected = np.maximum((ROWS - plain["b_dec"]) @ plain["W_enc"] + plain["b_enc"], 0)
    for sae in (one, two):
        np.testing.assert_allclose(sae.encode(ROWS), expected, atol=1e-5)
        np.testing.assert_allclose(sae.decoder, plain["W_dec"])


def test_thresholds_top_k_and_centring_are_kept(tmp_path):
    plain = weights()
    path = saved(tmp_path, {**plain, "threshold": np.full(6, 0.8, np.float32)})
    before = ROWS @ plain["W_enc"] + plain["b_enc"]
    np.testing.assert_allclose(read_sae(path).encode(ROWS), np.where(before > 0.8, before, 0), atol=1e-5)
    found = read_sae(saved(tmp_path, plain, activation_fn_str="topk", activation_fn_kwargs={"k": 2}, apply_b_dec_to_input=False))
    assert ((found.encode(ROWS) > 0).sum(axis=1) <= 2).all() and not found.centred
    assert read_sae(saved(tmp_path, plain, hook_name="blocks.3.hook_resid_pre")).block == 2


def sae_fit(path, top_k=8, seed=0):
    positive, negative, _ = planted_pairs(seed)
    options = METHODS.get("sae").options(sae="x/{model}/{layer}", top_k=top_k)
    return fit("sae", seed, options=options, files={"x/tiny/2": path}, tuning=(positive[120:], negative[120:]))


def test_sae_takes_latents_in_both_directions_each_with_its_weight(tmp_path):
    positive, negative, truth = planted_pairs(0)
    noise = np.random.default_rng(3).standard_normal((2, D)).astype(np.float32)
    decoder = np.stack([truth, -truth, *noise / 50]).astype(np.float32)
    middle = np.median(np.concatenate([positive, negative]) @ decoder.T, axis=0)
    path = saved(tmp_path, {"W_enc": decoder.T, "W_dec": decoder, "b_enc": (20 - middle).astype(np.float32)})
    found = sae_fit(path, top_k=2)
    assert sorted(found.facts["latents"]) == [0, 1]
    by_latent = dict(zip(found.facts["latents"], found.facts["latent_weights"], strict=True))
    assert by_latent[0] > 0 > by_latent[1]
    assert found.direction @ truth > 0.999


def test_an_autoencoder_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(DataError, match="width 4, but the model has width 48"):
        sae_fit(saved(tmp_path, weights()))
    with pytest.raises(DataError, match="output of block 7 .* but block 2 is steered"):
        sae_fit(saved(tmp_path, weights(D), hook_name="blocks.7.hook_resid_post"))
    with pytest.raises(DataError, match="normalize_activations"):
        read_sae(saved(tmp_path, weights(), normalize_activations="layer_norm"))
    (tmp_path / "cfg.json").write_text("{")
    with pytest.raises(StoreError, match="not JSON"):
        read_sae(tmp_path / "sae.safetensors")


def test_an_autoencoder_whose_latents_are_dead_is_refused(tmp_path):
    dead = {**weights(D), "b_enc": np.full(6, -1e6, np.float32)}
    with pytest.raises(DataError, match="none of the 6 latents"):
        sae_fit(saved(tmp_path, dead))


def test_a_file_that_is_no_autoencoder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        read_sae(tmp_path / "no.safetensors")
    with pytest.raises(StoreError, match="found weight"):
        read_sae(saved(tmp_path, {"weight": np.ones((2, 2), np.float32)}))
    with pytest.raises(StoreError, match=r"encoder \(4, 6\) and decoder \(5, 4\)"):
        read_sae(saved(tmp_path, {**weights(), "W_dec": np.ones((5, 4), np.float32)}))
    with pytest.raises(StoreError, match="encoder_bias has shape"):
        read_sae(saved(tmp_path, {**weights(), "b_enc": np.ones(5, np.float32)}))
    with pytest.raises(StoreError, match="b_enc holds NaN"):
        read_sae(saved(tmp_path, {**weights(), "b_enc": np.full(6, np.nan, np.float32)}))
    (tmp_path / "sae.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(StoreError, match="cannot be read as safetensors"):
        read_sae(tmp_path / "sae.safetensors")
