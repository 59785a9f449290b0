"""Attention of single queries: the same numbers as transformers' own, and only where it is meant to act."""

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from asteer_core.model.attention import NAME, attend, is_used, one_query_attention


def states(rows: int, heads: int, key_heads: int, columns: int, tokens: int = 1) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(rows + heads + columns)
    query = torch.randn(rows, heads, tokens, 8, generator=generator)
    key, value = (torch.randn(rows, key_heads, columns, 8, generator=generator) for _ in range(2))
    mask = torch.rand(rows, 1, tokens, columns, generator=generator) < 0.7
    mask[..., -1] = True
    return query, key, value, mask


class Grouped(torch.nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.num_key_value_groups = groups


@pytest.mark.parametrize("heads, key_heads", [(4, 4), (6, 2), (4, 1)])
@pytest.mark.parametrize("scaling", [None, 0.5])
def test_one_query_gives_the_output_of_sdpa(heads: int, key_heads: int, scaling: float | None) -> None:
    module = Grouped(heads // key_heads)
    query, key, value, mask = states(5, heads, key_heads, 21)
    ours, _ = attend(module, query, key, value, mask, scaling=scaling)
    theirs, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=scaling)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_hidden_columns_do_not_count() -> None:
    module = Grouped(1)
    query, key, value, mask = states(3, 2, 2, 16)
    mask[:] = False
    mask[..., :5] = True
    whole, _ = attend(module, query, key, value, mask)
    cut, _ = attend(module, query, key[:, :, :5].contiguous(), value[:, :, :5].contiguous(), mask[..., :5])
    torch.testing.assert_close(whole, cut, atol=1e-6, rtol=1e-5)


def test_many_queries_go_to_sdpa_bit_for_bit() -> None:
    module = Grouped(1)
    query, key, value, mask = states(2, 2, 2, 9, tokens=3)
    assert torch.equal(attend(module, query, key, value, mask)[0], sdpa_attention_forward(module, query, key, value, mask)[0])


def test_a_softcap_is_refused_as_sdpa_refuses_it() -> None:
    query, key, value, mask = states(2, 2, 2, 9)
    with pytest.raises(ValueError, match="softcap"):
        attend(Grouped(1), query, key, value, mask, softcap=30.0)


def test_the_model_has_its_own_attention_back_whatever_happens(make_model) -> None:
    llama = make_model("llama")
    before = llama.config._attn_implementation

    def fail() -> None:
        with one_query_attention(llama):
            if is_used(llama) and llama.config._attn_implementation == NAME:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert llama.config._attn_implementation == before and not is_used(llama)
