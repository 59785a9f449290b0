"""The trained vector: it makes the wanted words likely, steps along the true gradient, stops early, and leaves the model alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asteer_core.errors import ModelError
from asteer_core.model.scoring import mean_token_nll
from asteer_core.model.steering import Steering, Tally
from asteer_core.model.training import _Added, _encoded, _frozen, _loss, train_vector
from asteer_core.types import Add, Intervention

SETTINGS = {"epochs": 12, "batch_size": 4, "learning_rate": 0.1, "weight_decay": 0.0, "patience": 12}


def texts(prompts, wanted="w7 w7 w7"):
    return prompts, [wanted] * len(prompts)


def trained(model, prompts, heldout=None, block=2, scale=20.0, **changes):
    return train_vector(
        model, texts(prompts[:8]), heldout or texts(prompts[8:12]), block, scale, **{**SETTINGS, **changes}, rng=np.random.default_rng(0)
    )


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_the_vector_makes_unseen_completions_of_the_kind_likely(make_model, family, prompts):
    found = trained(make_model(family), prompts)
    assert found.heldout_losses[found.epoch] < 0.6 * found.heldout_losses[0]
    assert found.vector.dtype == np.float32 and np.isfinite(found.vector).all()


def test_the_loss_without_a_vector_is_that_of_the_unsteered_model(make_model, prompts):
    model = make_model()
    asked, answers = texts(prompts[8:12])
    nll, tokens = mean_token_nll(model, asked, answers)
    assert trained(model, prompts, epochs=1).heldout_losses[0] == pytest.approx((nll * tokens).sum() / tokens.sum(), rel=1e-5)


def test_the_loss_with_a_vector_is_that_of_generation_under_the_same_edit(make_model, prompts):
    """The positions of training are the scope `generated` of steering."""
    model = make_model()
    vector = np.random.default_rng(2).normal(size=32).astype(np.float32)
    (pair,) = _encoded(model, texts(prompts[:1]))
    with torch.no_grad(), _Added(model, 1, torch.from_numpy(vector)) as added:
        loss, count = _loss(model, [pair], added)
    with torch.no_grad(), Steering(model, [Intervention((Add(1, vector),))]) as steering:
        steering.choose(torch.tensor([1]))
        steering.steer((torch.arange(len(pair.ids)) >= pair.start - 1)[None], Tally(1, model.device))
        logits = model.module(torch.tensor([pair.ids])).logits[0].log_softmax(-1)
        steering.release()
    expected = -sum(float(logits[place - 1, pair.ids[place]]) for place in range(pair.start, len(pair.ids)))
    assert (float(loss), count) == (pytest.approx(expected, rel=1e-4), len(pair.ids) - pair.start)


def gradient(model, pairs, at):
    vector = torch.tensor(at, requires_grad=True)
    with _frozen(model), _Added(model, 1, vector) as added:
        total, tokens = _loss(model, pairs, added)
        total.backward()
    return vector.grad.numpy().astype(np.float64), tokens


def test_the_gradient_of_a_batch_is_the_sum_over_its_rows_whatever_their_lengths(make_model, prompts):
    model = make_model()
    asked = prompts[:6]
    pairs = _encoded(model, (asked, ["w5", "w5 w6 w7 w8 w9", "w9 w9", "w1", "w2 w3 w4", "w8"]))
    at = np.random.default_rng(1).normal(size=32).astype(np.float32)
    together, tokens = gradient(model, pairs, at)
    apart = [gradient(model, [pair], at) for pair in pairs]
    np.testing.assert_allclose(together, sum(part for part, _ in apart), rtol=1e-3, atol=1e-4)
    assert tokens == sum(count for _, count in apart)


def test_the_gradient_is_that_of_finite_differences(make_model, prompts):
    model = make_model()
    pairs = _encoded(model, texts(prompts[:3]))
    at = np.random.default_rng(1).normal(size=32).astype(np.float32)
    found, _ = gradient(model, pairs, at)

    def loss(shift):
        with torch.no_grad(), _Added(model, 1, torch.from_numpy((at + shift).astype(np.float32))) as added:
            return float(_loss(model, pairs, added)[0])

    for seed in range(4):
        direction = np.random.default_rng(seed).normal(size=32)
        direction /= np.linalg.norm(direction)
        slope = (loss(1e-2 * direction) - loss(-1e-2 * direction)) / 2e-2
        assert slope == pytest.approx(found @ direction, rel=0.05, abs=0.05)


def test_weight_decay_shortens_the_vector(make_model, prompts):
    norms = [np.linalg.norm(trained(make_model(), prompts, weight_decay=decay).vector) for decay in (0.0, 3.0)]
    assert norms[1] < 0.8 * norms[0]


def test_training_stops_when_held_out_loss_rises_and_keeps_the_best_epoch(make_model, prompts):
    # The held-out completions want the contrary: every step makes them less likely.
    found = trained(make_model(), prompts, heldout=(prompts[8:12], ["w90 w91 w92"] * 4), patience=2)
    assert len(found.heldout_losses) == found.epoch + 3 < SETTINGS["epochs"] + 1
    assert found.heldout_losses[found.epoch] == min(found.heldout_losses)
    if found.epoch == 0:
        assert not found.vector.any()


def test_the_model_is_left_as_it_was(make_model, prompts):
    model = make_model()
    before = {name: (tensor.clone(), tensor.requires_grad) for name, tensor in model.module.named_parameters()}
    # transformers leaves some of its own on a model that was ever asked for hidden states.
    hooks = [list(item._forward_hooks) for item in model.module.modules()]
    trained(model, prompts, epochs=2)
    for name, tensor in model.module.named_parameters():
        assert torch.equal(tensor, before[name][0]) and tensor.requires_grad == before[name][1] and tensor.grad is None
    assert [list(item._forward_hooks) for item in model.module.modules()] == hooks


def test_equal_seeds_give_equal_vectors(make_model, prompts):
    assert np.array_equal(trained(make_model(), prompts, epochs=2).vector, trained(make_model(), prompts, epochs=2).vector)


def test_what_cannot_be_trained_on_is_named(make_model, prompts):
    with pytest.raises(ModelError, match="training row 1: the response has no tokens"):
        trained(make_model(), prompts, heldout=(prompts[:2], ["w1", ""]))
    with pytest.raises(ModelError, match="layer 9 does not exist"):
        trained(make_model(), prompts, block=9)
    with pytest.raises(ModelError, match="lower learning_rate"):
        trained(make_model(), prompts, scale=float("inf"))
