"""Reading activations: which tokens count, whatever the padding, and the scale of the residual stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asteer_core.errors import ModelError
from asteer_core.model import capture, mean_kl, mean_token_nll, residual_scale
from asteer_core.types import Add, Intervention, Sampling


def states(model, prompt, response):
    """Return hidden states [block + 1, token, d_model] of one pair, and where the response starts."""
    pair = model.prompter.encode_pairs([prompt], [response], [None])[0]
    with torch.inference_mode():
        hidden = model.module(torch.tensor([pair.ids]), output_hidden_states=True).hidden_states
    return torch.stack(hidden)[:, 0].double().numpy(), pair.start


@pytest.mark.parametrize("positions", ["mean", "last", "all"])
def test_positions_name_the_tokens_that_count(make_model, prompts, positions):
    model = make_model()
    read = capture(model, prompts, prompts[::-1], [0, 2], positions)
    for row in range(0, 24, 5):
        hidden, start = states(model, prompts[row], prompts[::-1][row])
        chosen = {"mean": slice(start, None), "last": slice(-1, None), "all": slice(1, None)}[positions]
        for block in (0, 2):
            assert read[block].dtype == np.float32
            np.testing.assert_allclose(read[block][row], hidden[block + 1][chosen].mean(0), rtol=1e-3, atol=1e-5)


def test_a_pass_ends_at_the_deepest_wanted_block_and_leaves_no_hook(make_model, prompts):
    model = make_model("qwen2")
    hooks = [list(block._forward_hooks) for block in model.blocks]
    ran = []
    handle = model.blocks[3].register_forward_hook(lambda *_: ran.append(1))
    capture(model, prompts, prompts, [1])
    handle.remove()
    assert not ran
    with pytest.raises(ModelError, match="layer 9 does not exist; tiny-qwen2 has layers 0 to 3"):
        capture(model, prompts, prompts, [9])
    assert [list(block._forward_hooks) for block in model.blocks] == hooks


def test_empty_responses_and_long_pairs_are_named(make_model):
    with pytest.raises(ModelError, match="capture, row 1: the response has no tokens"):
        capture(make_model(), ["w1", "w2"], ["w1", ""], [0])
    with pytest.raises(ModelError, match="row 0: 133 tokens do not fit"):
        capture(make_model(), ["w1 w2"], ["w3 " * 130], [0])
    with pytest.raises(ModelError, match="2 prompts but 1 responses"):
        capture(make_model(), ["w1", "w2"], ["w1"], [0])


def test_residual_scale_is_the_median_norm_over_completion_tokens(make_model, prompts):
    model = make_model()
    read = [states(model, prompt, response) for prompt, response in zip(prompts, prompts[::-1], strict=True)]
    norms = [np.linalg.norm(hidden[3][start:], axis=-1) for hidden, start in read]
    scale = residual_scale(model, prompts, [2], responses=prompts[::-1])
    assert scale == {2: pytest.approx(np.median(np.concatenate(norms)), rel=1e-4)}
    generated = residual_scale(model, prompts[:4], [0, 2], Sampling(max_new_tokens=6))
    assert generated == residual_scale(model, prompts[:4], [0, 2], Sampling(max_new_tokens=6)) and generated[2] > 0


def test_nll_is_the_mean_over_response_tokens(make_model, prompts):
    model = make_model()
    nll, count = mean_token_nll(model, prompts, prompts[::-1])
    for row in range(0, 24, 5):
        pair = model.prompter.encode_pairs([prompts[row]], [prompts[::-1][row]], [None])[0]
        with torch.inference_mode():
            logs = torch.log_softmax(model.module(torch.tensor([pair.ids])).logits[0].double(), -1)
        expected = [-logs[place - 1, pair.ids[place]].item() for place in range(pair.start, len(pair.ids))]
        assert nll[row] == pytest.approx(np.mean(expected), abs=1e-4)
        assert count[row] == len(expected)


def test_nll_without_tokens_is_undefined_and_beyond_the_context_is_not_counted(make_model):
    nll, count = mean_token_nll(make_model(), ["w1", "w1", "w1 " * 140, "w1"], ["", "w2", "w3", "w4 " * 200])
    assert np.isnan(nll).tolist() == [True, False, True, False]
    assert count.tolist() == [0, 1, 0, 126]


def test_kl_is_zero_without_an_edit_and_grows_with_the_edit(make_model, prompts):
    model = make_model()
    vector = np.random.default_rng(0).normal(size=32).astype(np.float32)
    values = [mean_kl(model, prompts, prompts[::-1], Intervention((Add(1, size * vector),))) for size in (0.0, 0.2, 0.4, 1.0)]
    assert values[0] == 0.0
    assert values == sorted(values) and values[1] > 0
    only_prompt = mean_kl(model, prompts, prompts[::-1], Intervention((Add(1, vector),), "prompt"))
    assert 0 < only_prompt != values[3]
    with pytest.raises(ModelError, match="no response tokens"):
        mean_kl(model, prompts[:1], [""], Intervention())
