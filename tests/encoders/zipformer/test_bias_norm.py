"""BiasNorm against its formula."""

import torch

from espnet_jst.encoders.zipformer.norm import BiasNorm


def plain(x, bias, log_scale):
    return x * log_scale.exp() / (x - bias).square().mean(-1, keepdim=True).sqrt()


def norm_with_bias(size, dtype=torch.float32):
    norm = BiasNorm(size).to(dtype)
    torch.nn.init.normal_(norm.bias)
    return norm.eval()


def test_value_and_gradients_are_those_of_the_formula():
    norm = norm_with_bias(6, torch.float64)
    x = torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 4, 6, dtype=torch.float64)
    args = (x, norm.bias, norm.log_scale)
    torch.testing.assert_close(norm(x), plain(*args))
    ours = torch.autograd.grad((norm(x) * weights).sum(), args)
    torch.testing.assert_close(ours, torch.autograd.grad((plain(*args) * weights).sum(), args))


def test_half_precision_is_float32_inside():
    norm = norm_with_bias(64)
    x = (torch.randn(5, 64) * 30).bfloat16().requires_grad_()
    y = norm(x)
    y.sum().backward()
    wide = x.detach().float().requires_grad_()
    expected = norm(wide)
    expected.sum().backward()
    assert torch.equal(y, expected.bfloat16()) and torch.equal(x.grad, wide.grad.bfloat16())


def test_a_frame_of_zeros_stays_zero_and_finite():
    norm, x = BiasNorm(4), torch.zeros(2, 4, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, 4)) and x.grad.isfinite().all() and norm.bias.grad.isfinite().all()


def test_training_leads_a_scale_that_is_too_large_back():
    norm, x = BiasNorm(4), torch.randn(9, 4)
    optimizer = torch.optim.SGD([norm.log_scale], lr=1e-3)
    torch.manual_seed(0)
    for _ in range(3000):  # the loss asks for more
        optimizer.zero_grad()
        (-norm(x).abs().mean()).backward()
        optimizer.step()
    assert 1.45 < norm.log_scale < 1.55
