"""Attention in training, as two products, is what decoding computes."""

import pytest
import torch

from espnet_jst.encoders.attention import CachedAttention, rotary_table


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("cached", [0, 6])
def test_training_and_decoding_give_the_same(masked, cached):
    torch.manual_seed(0)
    attention = CachedAttention(size=16, heads=2)
    x, cache = torch.randn(3, 5, 16), torch.randn(2, 3, 2, cached, 8)
    mask = (torch.rand(3, 1, 5, 5 + cached) > 0.4) | torch.eye(5, 5 + cached, dtype=torch.bool) if masked else None
    inputs = (x, mask, rotary_table(5 + cached, 8), cache)
    trained, kept = attention(*inputs)
    with torch.no_grad():
        decoded, same = attention(*inputs)
    assert trained.requires_grad and torch.equal(kept.detach(), same)
    torch.testing.assert_close(trained.detach(), decoded, atol=1e-6, rtol=0)


def test_weights_are_dropped_in_training_only():
    attention = CachedAttention(size=8, heads=1, dropout=0.5)
    inputs = (torch.randn(2, 9, 8), None, rotary_table(9, 8))
    assert not torch.equal(attention(*inputs)[0], attention(*inputs)[0])
    attention.eval()
    assert torch.equal(attention(*inputs)[0], attention(*inputs)[0])
