"""KL of several pushes at once, and the logit lens: against a plain computation on tiny models."""

import numpy as np
import pytest

from asteer_core.errors import ModelError
from asteer_core.model import mean_kl, mean_kls, top_tokens
from asteer_core.types import Add, Intervention

NORMS = {"llama": "model.norm", "gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm", "gemma2": "model.norm"}
RESPONSES = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10", "w11 w12"]


def pushes(model, rng, sizes):
    direction = rng.standard_normal(model.d_model).astype(np.float32)
    return [Intervention((Add(1, size * direction),)) for size in sizes]


def test_several_pushes_at_once_equal_one_after_the_other(make_model, prompts, rng):
    model = make_model("llama")
    found = pushes(model, rng, [0.0, 0.2, 1.0, 3.0])
    together = mean_kls(model, prompts[:4], RESPONSES, found)
    assert together == pytest.approx([mean_kl(model, prompts[:4], RESPONSES, one) for one in found], rel=1e-5, abs=1e-9)
    assert together[0] == 0 and together == sorted(together)


def test_a_probe_without_tokens_is_refused(make_model):
    with pytest.raises(ModelError, match="no response tokens"):
        mean_kls(make_model("llama"), ["w1"], [""], [Intervention()])


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gemma2"])
def test_the_lens_applies_the_gain_of_the_final_norm_and_the_unembedding(make_model, family):
    import torch

    model, rng = make_model(family), np.random.default_rng(1)
    head = model.module.get_output_embeddings().weight.double().detach().numpy()
    norm = model.module.get_submodule(NORMS[family])
    before = norm.weight.detach().clone()
    try:
        norm.weight.data = torch.from_numpy(rng.uniform(-2, 2, model.d_model)).float()
        # Gemma stores the gain less one.
        gain = norm.weight.double().detach().numpy() + (family == "gemma2")
        for direction in rng.standard_normal((3, model.d_model)):
            [(up, down)] = top_tokens(model, [direction], count=5)
            logits = (head @ (direction * gain))[: len(model.tokenizer)]
            assert up == [model.tokenizer.decode([number]) for number in np.argsort(-logits)[:5]]
            assert down == [model.tokenizer.decode([number]) for number in np.argsort(logits)[:5]]
    finally:
        norm.weight.data = before


def test_a_direction_and_its_opposite_swap_the_sides(make_model, rng):
    direction = rng.standard_normal(make_model("llama").d_model)
    (up, down), (other_up, other_down) = top_tokens(make_model("llama"), [direction, -direction])
    assert (up, down) == (other_down, other_up) and not set(up) & set(down)


def test_a_direction_of_another_width_is_refused(make_model):
    with pytest.raises(ModelError, match="a direction has shape"):
        top_tokens(make_model("llama"), [np.ones(3)])
