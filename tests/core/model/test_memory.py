"""Where the memory of a device runs out, passes over texts halve their batch, give the same numbers, and say when a row is too much."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from asteer_core.errors import ModelError
from asteer_core.model import capture, capture_prompts, mean_kls, mean_token_nll, residual_scale
from asteer_core.model.choices import answer_logodds
from asteer_core.types import Add, Intervention

PUSHES = [Intervention((Add(1, np.full(32, size, np.float32)),)) for size in (0.5, 2.0)]
PASSES = {
    "capture": lambda model, texts: capture(model, texts, texts[::-1], [0, 3]),
    "prompts": lambda model, texts: capture_prompts(model, texts, [0, 3]),
    "scale": lambda model, texts: residual_scale(model, texts, [0, 3], responses=texts[::-1]),
    "nll": lambda model, texts: dict(enumerate(mean_token_nll(model, texts, texts[::-1]))),
    "kl": lambda model, texts: dict(enumerate(mean_kls(model, texts, texts[::-1], PUSHES))),
    "answers": lambda model, texts: {0: answer_logodds(model, texts, ["w1", "w2 w3"], ["w4"])},
}


@contextmanager
def small_device(block, rows, spared=0):
    """Let memory run out before `block` when it is to read more than so many rows, but for the first few times; yield the sizes."""
    sizes = []

    def limited(_module, inputs):
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > rows and sum(size > rows for size in sizes) > spared:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    handle = block.register_forward_pre_hook(limited)
    try:
        yield sizes
    finally:
        handle.remove()


# Two spared passes: memory runs out under a push, after the plain pass and another push over the same rows.
@pytest.mark.parametrize(("name", "spared"), [*((name, 0) for name in PASSES), ("kl", 1), ("kl", 2)])
def test_a_pass_halves_its_batch_and_gives_what_it_gives_with_enough_memory(make_model, prompts, name, spared):
    model = make_model()
    expected = PASSES[name](model, prompts)
    hooks = [list(block._forward_hooks) for block in model.blocks]
    with small_device(model.blocks[3], 3, spared) as sizes:
        found = PASSES[name](model, prompts)
    assert max(sizes) > 3 >= sizes[-1]
    assert sum(size > 3 for size in sizes) <= 5, "what did not fit once is not tried again for every batch"
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5)
    assert [list(block._forward_hooks) for block in model.blocks] == hooks


@pytest.mark.parametrize("name", PASSES)
def test_a_row_that_does_not_fit_alone_is_an_error_with_a_remedy(make_model, prompts, name):
    model = make_model()
    with (
        small_device(model.blocks[3], 0),
        pytest.raises(ModelError, match="model 'tiny-llama': memory does not suffice for a single row on cpu .*; use shorter") as found,
    ):
        PASSES[name](model, prompts)
    assert isinstance(found.value.__cause__, torch.OutOfMemoryError)


def test_another_fault_of_a_pass_is_not_taken_for_lack_of_memory(make_model, prompts):
    model = make_model()
    handle = model.blocks[3].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("size mismatch")))
    try:
        with pytest.raises(RuntimeError, match="size mismatch"):
            capture(model, prompts, prompts, [3])
    finally:
        handle.remove()


@pytest.mark.parametrize("read", [lambda *a, **k: capture(*a, [3], **k), lambda *a, **k: mean_token_nll(*a, **k)])
def test_progress_counts_a_row_once_however_often_it_is_tried(make_model, prompts, read):
    model, steps = make_model(), []
    with small_device(model.blocks[3], 3):
        read(model, prompts, prompts[::-1], on_progress=lambda *step: steps.append(step))
    done = [step[0] for step in steps]
    assert done == sorted(set(done)) and steps[-1] == (24, 24) and len(done) >= 8
