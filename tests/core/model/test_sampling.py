"""Drawing: a pure function of logits, stream and step that follows the distribution it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

from asteer_core.model.sampling import draw, penalise, uniforms
from asteer_core.types import Sampling, row_stream


def test_uniforms_are_uniform_and_independent_across_streams_and_steps():
    streams = np.array([row_stream("c", str(row), 0, 0) for row in range(200)])
    grid = np.stack([uniforms(streams, np.full(200, step)) for step in range(200)])
    assert grid.min() >= 0 and grid.max() < 1
    assert stats.kstest(grid.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]) < 0.02


def test_neighbouring_streams_and_steps_do_not_collide():
    grid = uniforms(np.repeat(np.arange(300), 300), np.tile(np.arange(300), 300))
    assert len(np.unique(grid)) == 300 * 300


def reference(stream: int, step: int) -> float:
    """Return the uniform of one row in exact integer arithmetic."""

    def mix(state: int) -> int:
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        return state ^ (state >> 31)

    golden = 0x9E3779B97F4A7C15
    return (mix((mix((stream + golden) % 2**64) + (step + 1) * golden) % 2**64) >> 11) / 2**53


def test_uniforms_are_the_same_on_every_machine():
    streams, steps = [0, 1, 2**62, 2**63 - 1], [0, 5, 9, 10**6]
    expected = [reference(stream, step) for stream, step in zip(streams, steps, strict=True)]
    np.testing.assert_array_equal(uniforms(np.array(streams), np.array(steps)), expected)
    assert expected[0] == 0.6524484863740322


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(temperature=0.7), Sampling(top_k=5), Sampling(top_p=0.6), Sampling(top_k=12, top_p=0.8, temperature=2)],
)
def test_draws_follow_the_distribution_of_transformers_warpers(sampling):
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(1, 30, generator=generator)
    warped = logits / sampling.temperature
    if sampling.top_k:
        warped = TopKLogitsWarper(sampling.top_k)(None, warped)
    if sampling.top_p < 1:
        warped = TopPLogitsWarper(sampling.top_p)(None, warped)
    expected = torch.softmax(warped, -1)[0].double().numpy()
    # An even grid of uniforms hits every token in exact proportion to its probability.
    grid = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    tokens = draw(logits.expand(20000, -1), grid, sampling).tokens
    found = np.bincount(tokens.numpy(), minlength=30) / 20000
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_flat_nucleus_larger_than_the_quick_look_is_still_exact():
    logits = torch.linspace(0, 1, 500)[None].expand(2, -1).clone()
    logits[1, 3] = 50.0
    warped = torch.softmax(TopPLogitsWarper(0.9)(None, logits), -1)
    grid = (torch.arange(5000, dtype=torch.float64) + 0.5) / 5000
    for row in range(2):
        tokens = draw(logits[row].expand(5000, -1), grid, Sampling(top_p=0.9)).tokens
        assert set(tokens.tolist()) == set(torch.nonzero(warped[row]).flatten().tolist())


def test_the_extremes_of_the_uniform_never_hit_a_token_of_probability_zero():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 1.0, -torch.inf]])
    assert draw(logits, torch.tensor([0.0]), Sampling()).tokens.item() == 1
    assert draw(logits, torch.tensor([1 - 2**-53], dtype=torch.float64), Sampling()).tokens.item() == 3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_nan_and_inf_are_reported_by_row(temperature):
    logits = torch.zeros(4, 6)
    logits[1, 2], logits[2, 0] = torch.nan, torch.inf
    logits[3] = -torch.inf
    assert draw(logits, torch.full((4,), 0.5), Sampling(temperature=temperature)).finite.tolist() == [True, False, False, False]


def test_repetition_penalty_is_that_of_transformers():
    logits = torch.randn(3, 20)
    seen = torch.tensor([[1, 2, 2], [0, 0, 0], [5, 6, 7]])
    mask = torch.zeros(3, 20, dtype=torch.bool).scatter(1, seen, True)
    torch.testing.assert_close(penalise(logits, mask, 1.3), RepetitionPenaltyLogitsProcessor(1.3)(seen, logits.clone()))
