"""SwooshL and SwooshR against the plain composition in float64."""

import pytest
import torch

from espnet_jst.encoders.zipformer.swoosh import swoosh_l, swoosh_r

ZERO = torch.zeros((), dtype=torch.float64)
BOTH = pytest.mark.parametrize("swoosh, shift, offset", [(swoosh_l, 4.0, 0.035), (swoosh_r, 1.0, 0.313261687)])
# Relative and absolute error: the absolute one is of the logarithm of a number near 1.
ERRORS = {torch.float64: (1e-14, 1e-15), torch.float32: (3e-7, 2e-7), torch.bfloat16: (4e-3, 2e-7)}


def plain(x, shift, offset):
    return torch.logaddexp(ZERO, x - shift) - 0.08 * x - offset


@BOTH
@pytest.mark.parametrize("dtype", ERRORS)
def test_value_and_gradient_are_those_of_the_formula(swoosh, shift, offset, dtype):
    x = torch.linspace(-30, 30, 4001).to(dtype).requires_grad_()
    exact = x.detach().double().requires_grad_()
    expected = plain(exact, shift, offset)
    weights = torch.linspace(-1, 2, 4001).to(dtype)
    y = swoosh(x)
    y.backward(weights)
    expected.backward(weights.double())
    rtol, atol = ERRORS[dtype]
    assert y.dtype == x.grad.dtype == dtype
    torch.testing.assert_close(y.double(), expected, rtol=rtol, atol=atol)
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=rtol, atol=atol)


@BOTH
def test_large_values_do_not_overflow(swoosh, shift, offset):
    x = torch.tensor([-1e30, -1e4, -90.0, 79.9, 84.0, 84.1, 90.0, 1e4, 1e30], requires_grad=True)
    y = swoosh(x)
    y.sum().backward()
    torch.testing.assert_close(y.double(), plain(x.detach().double(), shift, offset), rtol=1e-6, atol=0)
    torch.testing.assert_close(x.grad, torch.where(x > 0, 0.92, -0.08))


@BOTH
def test_finite_differences_agree(swoosh, shift, offset):
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(swoosh, x)


@BOTH
def test_autocast_changes_neither_precision_nor_type(swoosh, shift, offset):
    x = torch.randn(7, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = swoosh(x)
    assert torch.equal(y, swoosh(x)) and y.dtype == torch.float32
    assert torch.equal(swoosh(x.detach()), y)


def test_only_the_argument_is_kept():
    x = torch.randn(64, 3, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda kept_one: kept.append(kept_one), lambda nothing: nothing):
        swoosh_l(x)
    assert [one.data_ptr() for one in kept] == [x.data_ptr()]


def test_swoosh_r_passes_through_zero():
    assert abs(swoosh_r(ZERO)) < 1e-9
