"""ScaledAdam: the equations one tensor at a time, and what stacking the tensors must not change."""

import copy
import io
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from espnet_jst.errors import ConfigError
from espnet_jst.keys import read
from espnet_jst.training import stacks
from espnet_jst.training.conf import ScaledAdamConf
from espnet_jst.training.scaled_adam import ScaledAdam
from tests.reference.scaled_adam import ReferenceScaledAdam

SHAPES = [(6, 4), (6, 4), (8,), (8,), (8,), (), (1,), (1,), (5, 3, 2), (6, 4), (300,)]


def tensors(seed=0, dtype=torch.float32):
    """Parameters of sizes from 0.001 to 10, one of zeros, one at the largest size, numbers at the largest value."""
    g = torch.Generator().manual_seed(seed)
    values = [torch.randn(shape, generator=g) * 10 ** (4 * torch.rand((), generator=g) - 3) for shape in SHAPES]
    values[3], values[4], values[6], values[7] = torch.zeros(8), torch.full((8,), 2.99), values[6] + 10, values[7] - 10
    return [torch.nn.Parameter(value.to(dtype)) for value in values]


def gradients(steps, seed=1):
    """Noise around a direction, of another size in each step, and thirty times as large in every seventeenth."""
    g = torch.Generator().manual_seed(seed)
    for step in range(steps):
        size = 10 ** (2 * torch.rand((), generator=g) - 1) * (30 if step % 17 == 5 else 1)
        yield [size * (0.5 + torch.randn(shape, generator=g)) for shape in SHAPES]


def move(params, optimizer, grads):
    for p, grad in zip(params, grads, strict=True):
        p.grad = None if grad is None else grad.to(p.dtype).clone()
    optimizer.step()


@pytest.mark.parametrize("lr", [0.045, 0.3])
def test_it_is_the_plain_equations(lr):
    params = tensors(dtype=torch.float64)
    optimizer, reference = ScaledAdam(params, lr=lr), ReferenceScaledAdam(params, lr)
    zeros, largest = params[3], params[4]
    for grads in gradients(210):
        before = largest.detach().clone()
        move(params, optimizer, grads)
        for ours, plain in zip(params, reference.step(grads), strict=True):
            torch.testing.assert_close(ours.detach(), plain, atol=1e-10, rtol=1e-9)
        assert not torch.equal(before, largest)
    assert math.isfinite(reference.most) and max(reference.norms[110:]) > reference.most  # something was clipped
    assert max(p.abs().item() for p in params if p.numel() == 1) <= 10 and zeros.square().mean() > 1e-10


def test_float32_stays_close_to_the_plain_equations():
    params = tensors()
    optimizer, reference = ScaledAdam(params), ReferenceScaledAdam(params, 0.045)
    start = [p.detach().clone() for p in params]
    for grads in gradients(120):
        move(params, optimizer, grads)
        plain = reference.step(grads)
    for ours, other, begun in zip(params, plain, start, strict=True):
        assert (ours - other).norm() < 1e-3 * (ours - begun).norm()


@pytest.mark.parametrize("factor", [1e-3, 1e5])
def test_the_scale_of_the_gradient_does_not_matter(factor):
    params, scaled = tensors(), tensors()
    one, two = ScaledAdam(params, eps=1e-20), ScaledAdam(scaled, eps=1e-20)
    for grads in gradients(110):
        move(params, one, grads)
        move(scaled, two, [factor * grad for grad in grads])
    for ours, other in zip(params, scaled, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-4)


def fit(optimizer_of, scale, steps=150):
    """Loss, as a share of that at the start, of two layers whose input is `scale` times as large as it might be, and
    the weights of the first so many times smaller."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(64, 10, generator=g)
    y = x @ torch.randn(10, 5, generator=g)
    first = torch.nn.Parameter(0.1 * torch.randn(10, 8, generator=g) / scale)
    second = torch.nn.Parameter(0.1 * torch.randn(8, 5, generator=g))
    optimizer = optimizer_of([first, second])
    for _ in range(steps):
        loss = (scale * x @ first @ second - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item() / y.square().mean().item()


def test_a_badly_scaled_problem_is_solved_as_fast_as_a_well_scaled_one():
    well, badly = (fit(lambda params: ScaledAdam(params, lr=0.05), scale) for scale in (1.0, 1000.0))
    assert badly < 1e-4 and badly == pytest.approx(well, rel=0.1)


def saved_and_loaded(optimizer):
    stream = io.BytesIO()
    torch.save(optimizer.state_dict(), stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)


@pytest.mark.parametrize("steps", [1, 7, 45, 104])
def test_a_resumed_run_takes_the_same_steps_to_the_bit(steps):
    every = list(gradients(125))
    for number, grads in enumerate(every):
        if number % 3:
            grads[2] = grads[8] = None
    params = tensors()
    optimizer = ScaledAdam(params)
    for grads in every[:steps]:
        move(params, optimizer, grads)
    resumed = [torch.nn.Parameter(p.detach().clone()) for p in params]
    second = ScaledAdam(resumed, lr=0.001)
    second.load_state_dict(saved_and_loaded(optimizer))
    for grads in every[steps:]:
        move(params, optimizer, grads)
        move(resumed, second, grads)
        assert all(torch.equal(p, q) for p, q in zip(params, resumed, strict=True))


def test_parameters_without_a_gradient_are_left_alone_and_do_not_age():
    params, alone = tensors(), tensors()
    optimizer = ScaledAdam(params, clipping_scale=1e6)
    second = ScaledAdam(alone, clipping_scale=1e6)
    for number, grads in enumerate(gradients(30)):
        own = [grad if i % 2 == 0 or number % 3 == 0 else None for i, grad in enumerate(grads)]
        before = [p.detach().clone() for p in params]
        move(params, optimizer, own)
        moved = [not torch.equal(p, q) for p, q in zip(params, before, strict=True)]
        assert moved == [grad is not None for grad in own]
        if number % 3 == 0:
            move(alone, second, grads)
    assert all(torch.equal(p, q) for p, q in zip(params[1::2], alone[1::2], strict=True))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_moves_nothing_and_is_forgotten(bad):
    params, twin = tensors(), tensors()
    one, two = ScaledAdam(params), ScaledAdam(twin)
    for number, grads in enumerate(gradients(25)):
        if number in (0, 5, 24):
            spoilt = [grad.clone() for grad in grads]
            spoilt[2][0] = bad
            move(params, one, spoilt)
        move(params, one, grads)
        move(twin, two, grads)
        assert all(torch.equal(p, q) for p, q in zip(params, twin, strict=True))


def test_a_copy_that_is_tried_out_changes_nothing():
    params = tensors()
    optimizer = ScaledAdam(params)
    first, *others = list(gradients(12))
    move(params, optimizer, first)
    model = torch.nn.ParameterList(params)
    copied, second = copy.deepcopy((model, optimizer))
    state = copy.deepcopy(optimizer.state_dict())
    for grads in others:
        move(list(copied), second, grads)
    assert not torch.equal(params[0], copied[0])
    for ours, before in zip(optimizer.state_dict()["state"].values(), state["state"].values(), strict=True):
        assert all(torch.equal(ours[key], before[key]) for key in before)


class Counted(TorchDispatchMode):
    """Counts the operations within it."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(number):
    params = [torch.nn.Parameter(torch.ones(4, 3)) for _ in range(number)]
    optimizer = ScaledAdam(params)
    for _ in range(8):
        move(params, optimizer, [torch.ones(4, 3)] * number)
    with Counted() as counted:
        for _ in range(8):
            optimizer.step()
    return counted.count


def test_operations_are_counted_by_shapes_and_not_by_parameters():
    assert operations(50) == operations(5) < 8 * 50


def test_large_stacks_are_divided_and_the_updates_are_the_same(monkeypatch):
    params, divided = tensors(), tensors()
    one, two = ScaledAdam(params), ScaledAdam(divided)
    for number, grads in enumerate(gradients(20)):
        move(params, one, grads)
        monkeypatch.setattr(stacks, "CPU_ELEMENTS", 30 if number < 10 else 2**18)
        move(divided, two, grads)
        if number == 10:
            two.load_state_dict(two.state_dict())
    for ours, other in zip(params, divided, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"weight_decay": 0.01}, "unknown key 'weight_decay'"),
        ({"clip_scale": 2.0}, "did you mean 'clipping_scale'"),
        ({"betas": [0.9]}, r"betas is \[0.9\]: give a list of 2"),
        ({"betas": [0.9, 1.0]}, "betas is 1"),
        ({"size_update_period": 0}, "size_update_period is 0: give a number from 1"),
        ({"param_min_rms": 3.0}, "param_min_rms is 3: it must be below param_max_rms, 3"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_message(conf, message):
    with pytest.raises(ConfigError, match=message):
        read(ScaledAdamConf, conf, "optim_conf of scaled_adam")
