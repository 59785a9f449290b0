"""The same contracts on every architecture: layer convention, strength 0, packing, padding, caching, edits that reach what they name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asteer_core.model import capture, generate
from asteer_core.model.sequences import Batch, call, pad_right, whole
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Add, GenerationRequest, Intervention, Sampling
from tests.core.model.conftest import FAMILIES

SAMPLING = Sampling(max_new_tokens=8)


def push(block=1, norm=20.0, width=32):
    """Return an edit that no model shrugs off."""
    vector = np.random.default_rng(block).normal(size=width)
    return Add(block, (norm * vector / np.linalg.norm(vector)).astype(np.float32))


def rows_of(prompts, names):
    """Return requests whose streams are numbered."""
    return [GenerationRequest(f"{name}/{row}", prompt, name, 31 * row + 7) for name in names for row, prompt in enumerate(prompts)]


@pytest.fixture(params=sorted(FAMILIES))
def model(request, make_model):
    """One tiny model per family."""
    return make_model(request.param)


def test_an_activation_of_layer_b_is_hidden_state_b_plus_1(model, prompts):
    responses = prompts[::-1]
    read = capture(model, prompts[:6], responses[:6], range(model.n_blocks), "last")
    for row in range(6):
        ids = model.prompter.encode_pairs([prompts[row]], [responses[row]], [None])[0].ids
        with torch.inference_mode():
            states = model.module(torch.tensor([ids]), output_hidden_states=True, use_cache=False).hidden_states
        # Mamba's list leaves the embeddings out; everywhere its last entry stands behind the final norm and matches no block.
        first = 0 if "mamba" in model.name else 1
        for block in range(model.n_blocks - 1):
            np.testing.assert_allclose(read[block][row], states[block + first][0, -1].numpy(), rtol=1e-3, atol=1e-4)


def test_texts_are_those_of_one_row_at_a_time_without_a_cache(model, prompts):
    chosen = prompts[:7]
    made = generate(model, rows_of(chosen, ["x"]), {"x": Intervention((push(),))}, Sampling(max_new_tokens=5, temperature=0))
    with torch.inference_mode(), Steering(model, [Intervention((push(),))]) as steering:
        for row, prompt in zip(made, chosen, strict=True):
            prefix = model.prompter.encode([prompt], [None])[0]
            ids = list(prefix)
            for _ in range(row.n_tokens):
                steering.choose(torch.tensor([1]))
                steering.steer((torch.arange(len(ids)) >= len(prefix) - 1)[None], Tally(1, model.device))
                logits = call(model, torch.tensor([ids]))[0, -1]
                steering.release()
                if len(ids) == len(prefix):
                    logits[list(model.prompter.end_ids)] = -torch.inf
                ids.append(int(logits.argmax()))
            assert row.text == model.prompter.decode([ids[len(prefix) :]])[0]


def test_batches_of_any_size_give_the_same_texts(model, prompts):
    table = {"off": Intervention(), "x": Intervention((push(),)), "y": Intervention((push(2),), "all")}
    texts = [[row.text for row in generate(model, rows_of(prompts[4:12], table), table, SAMPLING, batch_size=n)] for n in (1, 5, 64)]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0][:8] != texts[0][8:16]


def test_padding_does_not_move_logits(model, prompts):
    sequences = model.prompter.encode(prompts[:8], [None] * 8)
    ids, valid = pad_right(sequences, model.device)
    with torch.inference_mode():
        together = whole(model, Batch(list(range(8)), ids, valid))
        for row, sequence in enumerate(sequences):
            alone = call(model, torch.tensor([sequence]))[0]
            torch.testing.assert_close(together[row, : len(sequence)], alone, rtol=1e-3, atol=1e-4)


def test_an_edit_leaves_other_rows_and_earlier_tokens_bit_for_bit(model, prompts):
    sequences = [row[:6] for row in model.prompter.encode(prompts[6:10], [None] * 4)]
    ids, valid = pad_right(sequences, model.device)
    batch = Batch([0, 1, 2, 3], ids, valid)
    with torch.inference_mode(), Steering(model, [Intervention((push(),)), Intervention((push(2),))]) as steering:
        plain = whole(model, batch)
        steering.choose(torch.tensor([0, 1, 0, 2]))
        tally = Tally(4, model.device)
        steering.steer(torch.arange(6)[None].expand(4, -1) >= 3, tally)
        steered = whole(model, batch)
        steering.release()
        again = whole(model, batch)
    # Experts see the tokens of all rows in one product, whose rounding moves with their number: there, equal to rounding.
    same = torch.allclose if "mixtral" in model.name else torch.equal
    assert torch.equal(plain, again)
    assert same(plain[[0, 2]], steered[[0, 2]]) and same(plain[:, :3], steered[:, :3])
    assert (plain[[1, 3], 3:] - steered[[1, 3], 3:]).abs().amax(-1).min() > 1e-4
    assert tally.tokens.tolist() == [0, 3, 0, 3]


def test_strength_zero_is_no_hook_bit_for_bit(model, prompts):
    ids, valid = pad_right(model.prompter.encode(prompts[:4], [None] * 4), model.device)
    batch = Batch([0, 1, 2, 3], ids, valid)
    # Transformers leaves hooks of its own on blocks whose hidden states were asked for.
    hooks = [list(block._forward_hooks) for block in model.blocks]
    with torch.inference_mode():
        plain = whole(model, batch)
        with Steering(model, [Intervention((Add(1, np.zeros(32, np.float32)),)), Intervention((push(),))]) as steering:
            steering.choose(torch.tensor([1, 0, 1, 0]))
            steering.steer(None, Tally(4, model.device))
            assert torch.equal(whole(model, batch), plain)
    assert [list(block._forward_hooks) for block in model.blocks] == hooks
