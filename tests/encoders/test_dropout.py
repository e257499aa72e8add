"""Dropout from random bytes: the same law as PyTorch's."""

import pytest
import torch
from torch import nn

from espnet_jst.encoders.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_elements_are_dropped_one_by_one_and_the_mean_is_kept(p, dtype):
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(501, 401, dtype=dtype))
    dropped = (y == 0).float()
    assert y.dtype == dtype and len(y.unique()) == 2
    assert abs(dropped.mean() - p) < 0.004
    assert abs(y.float().mean() - 1) < 0.02
    deviation = (p * (1 - p)) ** 0.5
    for dim in (0, 1):  # no row, column or neighbour knows of another
        assert dropped.mean(dim).std() < 1.2 * deviation / y.size(dim) ** 0.5
        pair = torch.stack([dropped.narrow(dim, 0, 400).flatten(), dropped.narrow(dim, 1, 400).flatten()])
        assert abs(torch.corrcoef(pair)[0, 1]) < 0.02


def test_the_gradient_goes_where_the_value_went():
    x = torch.randn(7, 13, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_a_seed_fixes_it_and_evaluation_has_none():
    x, dropout = torch.randn(3, 5), Dropout(0.5)
    torch.manual_seed(1)
    first = dropout(x)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(dropout(torch.ones(99)), dropout(torch.ones(99)))
    assert dropout.eval()(x) is x


@pytest.mark.parametrize("p", [0.0, 1e-4, 0.999, 1.0])
def test_shares_that_a_byte_does_not_hold_are_pytorchs(p):
    x = torch.ones(1000)
    torch.manual_seed(2)
    expected = nn.Dropout(p)(x)
    torch.manual_seed(2)
    assert torch.equal(Dropout(p)(x), expected)


def test_an_empty_tensor_stays_empty():
    assert Dropout(0.1)(torch.zeros(2, 0, 4)).shape == (2, 0, 4)
