"""The algebra of edits against one row at a time in float64, and the hooks' bookkeeping."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asteer_core.model.edits import tabulate
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Add, Affine, Edit, Intervention, Rotate

WIDTH = 16


def random_edit(rng: np.random.Generator, block: int) -> Edit:
    """Return an edit of a random kind."""
    basis = np.linalg.qr(rng.normal(size=(WIDTH, 2)))[0].astype(np.float32)
    kind = rng.integers(3)
    if kind == 0:
        return Add(block, rng.normal(size=WIDTH).astype(np.float32))
    if kind == 1:
        return Rotate(block, basis[:, 0], basis[:, 1], float(rng.uniform(-0.5, 1.0)))
    return Affine(block, basis[:, 0], rng.normal(size=WIDTH).astype(np.float32))


def by_hand(h: np.ndarray, edit: Edit) -> np.ndarray:
    """Return one edited activation, written as the definition says."""
    if isinstance(edit, Add):
        return h + edit.vector
    if isinstance(edit, Affine):
        return h - (h @ edit.direction) * edit.direction + edit.offset
    x, y = h @ edit.b1, h @ edit.b2
    angle = np.arctan2(y, x) * (1 - edit.fraction)
    return h - x * edit.b1 - y * edit.b2 + np.hypot(x, y) * (np.cos(angle) * edit.b1 + np.sin(angle) * edit.b2)


@pytest.mark.parametrize("seed", range(8))
def test_tables_do_to_each_row_what_its_own_configuration_says(seed):
    rng = np.random.default_rng(seed)
    interventions = [Intervention(tuple(random_edit(rng, int(rng.integers(2))) for _ in range(rng.integers(1, 4)))) for _ in range(5)]
    tables = tabulate(interventions)
    numbers = rng.integers(0, 6, size=20)
    hidden = rng.normal(size=(20, 3, WIDTH)).astype(np.float32)
    for block in range(2):
        if (block, "block_output") not in tables:
            continue
        table = tables[block, "block_output"]
        entry = table.entry_of[torch.from_numpy(numbers)]
        found = table.apply(torch.from_numpy(hidden), entry).numpy()
        for row, number in enumerate(numbers):
            expected = hidden[row].astype(np.float64)
            for edit in interventions[number - 1].edits if number else ():
                if edit.block == block:
                    expected = np.stack([by_hand(h, edit) for h in expected])
            np.testing.assert_allclose(found[row], expected, atol=2e-5)


def test_rotation_keeps_norms_and_reaches_the_first_axis():
    rng = np.random.default_rng(0)
    b1, b2 = np.linalg.qr(rng.normal(size=(WIDTH, 2)))[0].astype(np.float32).T
    hidden = torch.from_numpy(rng.normal(size=(1, 50, WIDTH)).astype(np.float32))
    table = tabulate([Intervention((Rotate(0, b1, b2, 1.0),))])[0, "block_output"]
    edited = table.apply(hidden, torch.tensor([1]))
    torch.testing.assert_close(edited.norm(dim=-1), hidden.norm(dim=-1))
    assert (edited @ torch.from_numpy(b2)).abs().max() < 1e-5
    assert (edited @ torch.from_numpy(b1)).min() >= 0


def test_edits_are_computed_in_float32_and_untouched_rows_keep_every_bit(make_model):
    model = make_model()
    vector = np.full(32, 0.25, np.float32)
    # In bfloat16 100 + 0.25 is 100, but 100 + 0.25 + 0.25 is 100.5: two edits must meet in float32.
    hidden = torch.full((3, 2, 32), 100.0, dtype=torch.bfloat16)
    hidden[2] = torch.nan
    hidden[0, 0, :2] = torch.tensor([-0.0, 1e-40])
    block = model.blocks[1]
    with Steering(model, [Intervention((Add(1, vector), Add(1, vector)))]) as steering:
        hook = list(block._forward_hooks.values())[-1]
        steering.choose(torch.tensor([0, 1, 0]))
        tally = Tally(3, model.device)
        steering.steer(torch.tensor([[True, True], [False, True], [True, True]]), tally)
        edited, extra = hook(block, (), (hidden, "kept"))
        steering.release()
        assert hook(block, (), (hidden, "kept")) is None
    assert extra == "kept"
    assert torch.equal(edited[[0, 2]].view(torch.int16), hidden[[0, 2]].view(torch.int16))
    assert edited[1, 0].eq(100).all() and edited[1, 1].eq(100.5).all()
    assert tally.tokens.tolist() == [0, 1, 0]
    assert tally.displacement[1].item() == pytest.approx(0.005)


def test_hooks_are_gone_after_an_exception(make_model):
    model = make_model()
    before = [list(block._forward_hooks) for block in model.blocks]

    def fail():
        with Steering(model, [Intervention((Add(1, np.ones(32, np.float32)),))]):
            assert [list(block._forward_hooks) for block in model.blocks] != before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [list(block._forward_hooks) for block in model.blocks] == before
