"""Attention in training, as two products, is what decoding computes."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from espnet_jst.encoders.attention import CachedAttention, rotary_table, rotate


@pytest.mark.parametrize("masked", [True, False])
def test_the_two_products_and_their_gradients_are_those_of_the_fused_attention(masked):
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, 2, 7, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = (torch.rand(3, 1, 7, 7) > 0.4) | torch.eye(7, dtype=torch.bool)
    bias = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf).double() if masked else None
    ours = CachedAttention(size=16, heads=2)._products(q, k, v, bias)
    fused = scaled_dot_product_attention(q, k, v, attn_mask=bias)
    torch.testing.assert_close(ours, fused, atol=1e-6, rtol=0)  # softmax is in float32
    gradients = (torch.autograd.grad(y.square().sum(), (q, k, v)) for y in (ours, fused))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_a_rotation_turns_pairs_by_their_angle_and_has_the_right_gradients():
    table = rotary_table(5, 6)
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    turned = torch.complex(*x.chunk(2, dim=-1)) * torch.complex(*table.double())
    torch.testing.assert_close(rotate(x, table), torch.cat([turned.real, turned.imag], dim=-1))
    assert torch.autograd.gradcheck(lambda x: rotate(x, table), x)
    assert torch.autograd.gradgradcheck(lambda x: rotate(x, table), x)


@pytest.mark.parametrize("cached", [0, 6])
def test_training_in_bfloat16_is_near_decoding_in_float32(cached):
    torch.manual_seed(0)
    attention = CachedAttention(size=16, heads=2)
    inputs = (torch.randn(3, 5, 16), None, rotary_table(5 + cached, 8), torch.randn(2, 3, 2, cached, 8))
    with torch.autocast("cpu", torch.bfloat16):
        trained = attention(*inputs)[0]
    with torch.no_grad():
        decoded = attention(*inputs)[0]
    assert trained.dtype == torch.bfloat16 and decoded.dtype == torch.float32
    torch.testing.assert_close(trained.detach().float(), decoded, atol=0.03, rtol=0)


def test_weights_are_dropped_in_training_only():
    attention = CachedAttention(size=8, heads=1, dropout=0.5)
    inputs = (torch.randn(2, 9, 8), None, rotary_table(9, 8))
    for bfloat16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            assert not torch.equal(attention(*inputs)[0], attention(*inputs)[0])
    attention.eval()
    assert torch.equal(attention(*inputs)[0], attention(*inputs)[0])
