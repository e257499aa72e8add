"""What shapes gradients, against autograd of the penalties as they are stated."""

import pytest
import torch
from torch import nn

from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import (
    Balancer,
    Whiten,
    happens,
    limit_value,
    scale_grad,
)

ALWAYS = (1.0, 1.0)


def shaped(shape_gradient, x, grad):
    """The gradient that leaves, where `grad` arrives; the value is unchanged."""
    x = x.detach().clone().requires_grad_()
    y = shape_gradient(x)
    assert torch.equal(y, x) and y.dtype == x.dtype
    y.backward(grad)
    return x.grad


def skewed(dtype=torch.float64):
    """(5, 40, 8): channels that are too positive, too negative, too small, too large, and good ones."""
    torch.manual_seed(1)
    scale = torch.tensor([1, 1, 1e-3, 300, 1, 1, 1, 1e-3])
    return (torch.randn(5, 40, 8) * scale + torch.tensor([5, -5, 0, 0, 0, 0.3, 0, 0.01])).to(dtype)


def balancer_penalty(x, positive, magnitude):
    """Of channels last; limits of mean / standard deviation and of the RMS."""
    mean, rms = x.mean((0, 1)), x.square().mean((0, 1)).sqrt()
    m = mean / (rms.square() - mean.square()).sqrt()
    return (m - m.clamp(*positive)).abs() + (rms.clamp(*magnitude) / rms).log().abs()


def test_balancer_adds_the_gradient_of_its_penalty():
    x, grad = skewed(), torch.randn(5, 40, 8, dtype=torch.float64)
    limits = torch.tensor([0.05, 0.95], dtype=torch.float64)
    m = (0.8139535 * torch.atanh(2 * limits - 1)).tolist()
    leaf = x.clone().requires_grad_()
    (push,) = torch.autograd.grad(balancer_penalty(leaf, m, (0.2 * 1.2533141, 100 * 1.2533141)).sum(), leaf)
    size = push.square().mean((0, 1)).sqrt()
    expected = grad + grad.abs() * 0.04 * push / size.clamp(min=1e-20)
    actual = shaped(Balancer(prob=1.0), x, grad)
    torch.testing.assert_close(actual, expected)
    assert [bool(moved) for moved in (actual != grad).any(0).any(0)] == [True] * 4 + [False] * 3 + [True]


def test_balancer_knows_channels_in_any_dimension():
    x, grad = skewed(), torch.randn(5, 40, 8, dtype=torch.float64)
    expected = shaped(Balancer(prob=1.0), x, grad)
    actual = shaped(Balancer(1, prob=1.0), x.transpose(1, 2), grad.transpose(1, 2))
    torch.testing.assert_close(actual.transpose(1, 2), expected)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e6])
def test_balancer_bears_channels_that_do_not_move(value):
    grad = torch.randn(7, 2)
    actual = shaped(Balancer(prob=1.0), torch.full((7, 2), value), grad)
    push = 0.04 * (value > 0) - 0.04 * (value < 0)
    torch.testing.assert_close(actual, grad + push * grad.abs())


def test_balancer_limits_may_be_open():
    balancer = Balancer(min_positive=0.0, max_positive=1.0, min_abs=0.0, prob=1.0)
    grad = torch.randn(5, 40, 8)
    moved = (shaped(balancer, skewed(torch.float32), grad) != grad).any(0).any(0)
    assert moved.tolist() == [False, False, False, True, False, False, False, False]


def metric_of(x, groups):
    """Mean diagonal of C C over the square of that of C, with the means over all groups."""
    x = x.reshape(-1, groups, x.size(-1) // groups)
    x = x - x.mean(0)
    cov = torch.einsum("ngi,ngj->gij", x, x) / len(x)
    diagonal = cov.diagonal(dim1=1, dim2=2)
    return (cov @ cov).diagonal(dim1=1, dim2=2).mean() / diagonal.mean().square()


def correlated():
    torch.manual_seed(2)
    return (torch.randn(3, 50, 8, dtype=torch.float64) @ torch.randn(8, 8, dtype=torch.float64)) + 2


@pytest.mark.parametrize("groups", [1, 2])
def test_whiten_adds_the_gradient_of_its_metric(groups):
    x, grad = correlated(), torch.randn(3, 50, 8, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (push,) = torch.autograd.grad(metric_of(leaf, groups), leaf)
    expected = grad + 0.01 * grad.norm() * push / push.norm()
    torch.testing.assert_close(shaped(Whiten(groups=groups, limit=1.1, prob=ALWAYS), x, grad), expected)


def test_whiten_leaves_alone_what_is_within_its_limit():
    x, grad = correlated(), torch.randn(3, 50, 8, dtype=torch.float64)
    metric = metric_of(x, 2).item()
    assert torch.equal(shaped(Whiten(groups=2, limit=metric * 1.001, prob=ALWAYS), x, grad), grad)
    assert not torch.equal(shaped(Whiten(groups=2, limit=metric * 0.999, prob=ALWAYS), x, grad), grad)


def test_whiten_looks_more_often_while_its_limit_is_violated():
    whiten, grad = Whiten(groups=1, limit=1.1, prob=(0.0, 1.0)), torch.ones(3, 50, 8, dtype=torch.float64)
    assert not torch.equal(shaped(whiten, correlated(), grad), grad)  # violated is what it starts from
    whiten.limit = 100.0
    shaped(whiten, correlated(), grad)
    whiten.limit = 1.1
    assert torch.equal(shaped(whiten, correlated(), grad), grad)  # not looked at
    whiten.advance(0.0, epoch=1)  # what a resumed training does not know is forgotten
    assert not torch.equal(shaped(whiten, correlated(), grad), grad)


@pytest.mark.parametrize(
    "shaper",
    [
        Balancer(min_abs=Ramp((0, 0.0), (100, 3.0)), prob=1.0),
        Whiten(groups=1, limit=Ramp((0, 50), (9, 1)), prob=ALWAYS),
    ],
)
def test_limits_follow_the_training(shaper):
    x, grad = torch.randn(6, 30, 4) * torch.tensor([1, 1, 1, 0.1]), torch.randn(6, 30, 4)
    assert torch.equal(shaped(shaper, x, grad), grad)
    shaper.advance(100)
    assert not torch.equal(shaped(shaper, x, grad), grad)


def test_probabilities_follow_the_training():
    balancer = Balancer(min_abs=9.0, prob=Ramp((0, 0.0), (10, 1.0)))
    x, grad = torch.randn(9, 4), torch.ones(9, 4)
    assert torch.equal(shaped(balancer, x, grad), grad)
    balancer.advance(10)
    assert not torch.equal(shaped(balancer, x, grad), grad)


@pytest.mark.parametrize("shaper", [Balancer(prob=1.0), Whiten(groups=2, limit=1.1, prob=ALWAYS)])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_lower_precisions_are_float32_inside(shaper, dtype, tolerance):
    x, grad = skewed(dtype), torch.randn(5, 40, 8).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        actual = shaped(shaper, x, grad)
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.double(), shaped(shaper, x.double(), grad.double()), rtol=tolerance, atol=1e-5)


@pytest.mark.parametrize("shaper", [Balancer(prob=1.0, min_abs=9.0), Whiten(groups=1, limit=1.0, prob=ALWAYS)])
def test_nothing_happens_in_evaluation_or_without_gradients(shaper):
    x, grad = torch.randn(9, 4, requires_grad=True), torch.randn(9, 4)
    assert shaper.eval()(x) is x
    shaper.train()
    with torch.no_grad():
        assert shaper(x) is x
    assert shaper(x.detach()) is not None and not shaper(x.detach()).requires_grad
    assert not torch.equal(shaped(shaper, x, grad), grad)


def test_functions_do_nothing_without_gradients():
    x = torch.randn(9)
    for function in (
        lambda y: scale_grad(y, 0.2),
        lambda y: limit_value(y, 0, 1, 1.0),
    ):
        assert function(x) is x


def test_scale_grad_scales():
    grad = torch.randn(9)
    torch.testing.assert_close(shaped(lambda x: scale_grad(x, 0.2), torch.randn(9), grad), 0.2 * grad)


def test_limit_value_turns_only_gradients_that_lead_out():
    x, grad = torch.tensor([-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, -1.0] * 3)
    expected = torch.tensor([-1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    assert torch.equal(shaped(lambda y: limit_value(y, -1, 1, 1.0), x, grad), expected)
    assert torch.equal(shaped(lambda y: limit_value(y, -1, 1, 0.0), x, grad), grad)


def test_a_seed_fixes_what_happens_and_its_share_is_the_probability():
    torch.manual_seed(3)
    first = [happens(0.3) for _ in range(2000)]
    torch.manual_seed(3)
    assert first == [happens(0.3) for _ in range(2000)]
    assert abs(sum(first) / 2000 - 0.3) < 0.04
    assert not any(happens(0.0) for _ in range(99)) and all(happens(1.0) for _ in range(99))


def test_a_channel_that_is_too_small_grows():
    torch.manual_seed(0)
    inputs, target = torch.randn(256, 8), torch.randn(256)
    sizes = []
    for shaper in (nn.Identity(), Balancer(min_abs=0.5, prob=1.0, grad_scale=0.5)):
        torch.manual_seed(4)
        weight = nn.Parameter(torch.randn(8, 4) * 0.01)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            (shaper(inputs @ weight).sum(1) - target).square().mean().backward()
            optimizer.step()
        sizes.append((inputs @ weight).abs().mean().item())
    assert sizes[1] > 1.5 * sizes[0]
