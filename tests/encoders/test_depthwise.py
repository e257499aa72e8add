"""The depthwise convolution with a backward pass of its own is nn.Conv1d's."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from espnet_jst.encoders.depthwise import depthwise


@pytest.mark.parametrize("shape", [(3, 9, 8, 5), (1, 1, 4, 3), (2, 7, 6, 1), (4, 40, 16, 15), (1, 2, 1, 9)], ids=str)
def test_values_and_gradients_are_those_of_conv1d(shape):
    B, T, D, K = shape
    torch.manual_seed(0)
    conv = nn.Conv1d(D, D, K, groups=D).double()
    x = torch.randn(B, T + K - 1, D, dtype=torch.float64, requires_grad=True)
    g = torch.randn(B, T, D, dtype=torch.float64)
    inputs = (x, conv.weight, conv.bias)
    y, expected = depthwise(*inputs), conv(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(y, expected)
    for ours, theirs in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_in_bfloat16_gradients_of_weights_stay_float32():
    conv = nn.Conv1d(8, 8, 5, groups=8)
    x = torch.randn(2, 24, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x.bfloat16(), conv.weight, conv.bias)
    y.float().square().sum().backward()
    ours = conv.weight.grad.clone()
    conv.zero_grad()
    depthwise(x, conv.weight, conv.bias).square().sum().backward()
    assert y.dtype == torch.bfloat16 and ours.dtype == torch.float32
    torch.testing.assert_close(ours, conv.weight.grad, rtol=0.03, atol=0.3)


def test_in_bfloat16_it_returns_where_the_library_does_not():
    """oneDNN hangs in a depthwise convolution of 16 features and 300 frames in bfloat16."""
    code = (
        "import torch\n"
        "from espnet_jst.encoders.depthwise import depthwise\n"
        "x = torch.randn(2, 314, 16, dtype=torch.bfloat16, requires_grad=True)\n"
        "depthwise(x, torch.randn(16, 1, 15), torch.zeros(16)).sum().backward()\n"
        "print(x.grad.isfinite().all().item())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "True", done.stderr
