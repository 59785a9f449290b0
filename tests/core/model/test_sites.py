"""The heads of every architecture: found by behaviour, read as the output projection receives them, edited alike by both engines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asteer_core.errors import ModelError
from asteer_core.model import capture, generate
from asteer_core.model.sites import head_writing, heads_of
from asteer_core.types import Add, GenerationRequest, Intervention, Sampling

PROJECTIONS = {
    "llama": "self_attn.o_proj", "mistral": "self_attn.o_proj", "qwen3": "self_attn.o_proj", "gemma3_text": "self_attn.o_proj",
    "phi3": "self_attn.o_proj", "gpt2": "attn.c_proj", "gpt_neox": "attention.dense", "falcon": "self_attention.dense",
    "bloom": "self_attention.dense", "mixtral": "self_attn.o_proj",
}  # fmt: skip


def name_of(model, module):
    return next(name for name, item in model.module.named_modules() if item is module)


@pytest.mark.parametrize("family", PROJECTIONS)
def test_the_output_projection_is_found_by_what_it_does(make_model, family):
    model = make_model(family)
    for block in range(model.n_blocks):
        heads = heads_of(model, block)
        assert name_of(model, heads.projection).endswith(PROJECTIONS[family])
        assert (heads.count, heads.dim) == (4, 8)


def test_the_width_of_a_head_is_that_of_the_configuration_not_hidden_size_over_heads(make_model):
    model = make_model("qwen3", head_dim=16)
    heads = heads_of(model, 1)
    assert (heads.count, heads.dim) == (4, 16)
    read = capture(model, ["w1 w2"], ["w3"], [1], site="attention_heads")
    assert read[1].shape == (1, 64)


@pytest.mark.parametrize(("family", "block"), [("mamba", 0), ("lfm2", 0)])
def test_a_block_without_attention_says_so(make_model, family, block):
    with pytest.raises(ModelError, match=f"no separable attention heads at layer {block}"):
        heads_of(make_model(family), block)
    with pytest.raises(ModelError, match=f"tiny-{family}.* no separable attention heads"):
        capture(make_model(family), ["w1"], ["w2"], [block], site="attention_heads")


def test_an_attention_beside_convolutions_is_found(make_model):
    assert name_of(make_model("lfm2"), heads_of(make_model("lfm2"), 1).projection).endswith("self_attn.out_proj")


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "mixtral"])
def test_head_activations_are_what_the_projection_receives(make_model, family, prompts):
    model = make_model(family)
    read = capture(model, prompts[:5], prompts[5:10], [0, 2], "last", site="attention_heads")
    seen = {}
    handles = [
        heads_of(model, block).projection.register_forward_pre_hook(lambda _m, args, b=block: seen.__setitem__(b, args[0][0, -1].numpy()))
        for block in (0, 2)
    ]
    try:
        for row in range(5):
            ids = model.prompter.encode_pairs([prompts[row]], [prompts[5 + row]], [None])[0].ids
            with torch.inference_mode():
                model.module(torch.tensor([ids]))
            for block in (0, 2):
                np.testing.assert_allclose(read[block][row], seen[block], rtol=1e-4, atol=1e-5)
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_the_writing_of_the_heads_is_the_projections_matrix(make_model, family):
    model = make_model(family)
    weight = heads_of(model, 1).projection.weight.detach()
    torch.testing.assert_close(head_writing(model, 1), weight.T.contiguous() if family == "gpt2" else weight)


def edited(model, prompts, table, engine=None, size=None):
    rows = [GenerationRequest(f"{name}/{row}", prompt, name, 31 * row + 7) for name in table for row, prompt in enumerate(prompts)]
    made = generate(model, rows, table, Sampling(max_new_tokens=8), engine=engine, batch_size=size)
    return {row.row_id: row for row in made}


def table_of(width):
    vector = np.random.default_rng(4).normal(size=width)
    push = (20 * vector / np.linalg.norm(vector)).astype(np.float32)
    one_head = np.where(np.arange(width) < width // 4, 3 * push, 0).astype(np.float32)
    return {
        "off": Intervention(),
        "heads": Intervention((Add(1, push, "attention_heads"),)),
        "one head": Intervention((Add(2, one_head, "attention_heads"),), "all"),
        "both sites": Intervention((Add(1, push, "attention_heads"), Add(1, np.full(32, 1.5, np.float32)))),
    }


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "gpt_neox", "falcon"])
def test_an_edit_of_heads_changes_its_own_rows_whatever_is_in_the_batch(make_model, family, prompts):
    model = make_model(family, head_dim=16) if family == "qwen3" else make_model(family)
    table = table_of(64 if family == "qwen3" else 32)
    together, alone = edited(model, prompts[:8], table), edited(model, prompts[:8], table, size=1)
    assert {name: row.text for name, row in together.items()} == {name: row.text for name, row in alone.items()}
    for name in ("heads", "one head", "both sites"):
        changed = [row for row in range(8) if together[f"{name}/{row}"].text != together[f"off/{row}"].text]
        assert len(changed) >= 3, name
        assert all(together[f"{name}/{row}"].steered_tokens > 0 for row in range(8))
    assert all(together[f"off/{row}"].steered_tokens == 0 for row in range(8))


def test_an_edit_of_heads_is_that_of_the_block_output_through_the_projection(make_model, prompts):
    """Without a norm behind the attention and with the blocks' own MLP aside, the stream moves by W_O times the vector."""
    model = make_model("gpt_neox")  # parallel: the MLP does not see the attention's output
    vector = np.random.default_rng(1).normal(size=32).astype(np.float32)
    written = (head_writing(model, 1) @ torch.from_numpy(vector)).numpy()
    heads = edited(model, prompts[:8], {"x": Intervention((Add(1, 5 * vector, "attention_heads"),))})
    stream = edited(model, prompts[:8], {"x": Intervention((Add(1, 5 * written),))})
    assert [row.text for row in heads.values()] == [row.text for row in stream.values()]


def test_both_engines_edit_heads_alike(make_model):
    model, table = make_model("llama"), table_of(32)
    found, expected = (edited(model, ["w1 w2 w3", "w4", "w5 w6 w7"], table, engine) for engine in ("continuous", "padded"))
    for name, row in expected.items():
        assert (found[name].text, found[name].steered_tokens) == (row.text, row.steered_tokens)
        assert found[name].displacement == pytest.approx(row.displacement, abs=1e-5)


def test_a_vector_of_another_width_is_refused_with_its_layer(make_model):
    table = {"x": Intervention((Add(1, np.ones(31, np.float32), "attention_heads"),))}
    with pytest.raises(ModelError, match="configuration 'x', layer 1: vector has shape"):
        edited(make_model(), ["w1"], table)


def test_hooks_of_heads_are_gone_afterwards(make_model, prompts):
    model = make_model()

    def hooks():
        return [(list(item._forward_pre_hooks), list(item._forward_hooks)) for item in model.module.modules()]

    # transformers leaves some of its own on a model that was ever asked for hidden states.
    before = hooks()
    edited(model, prompts[:2], table_of(32))
    capture(model, prompts[:2], prompts[:2], [0], site="attention_heads")
    assert hooks() == before
