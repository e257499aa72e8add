"""Triton's kernels: what they need of a GPU, and what happens where they cannot run."""

import json
import logging
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch

from espnet_jst.losses import (
    backends,
    joint_torch,
    joint_triton,
    pruned_rnnt_loss,
    recursion_numba,
    recursion_triton,
    triton_launch,
)
from tests.losses.test_pruned import batch, whole

ROOT = Path(__file__).parents[2]
LIMITS = {80: 166_912, 90: 232_448, 120: 101_376}  # bytes of shared memory that a program may take


def compiled(sizes, cache):
    """(compute capability, sizes, kernel, bytes of shared memory) of what is compiled; see compile_kernels.py."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": str(ROOT), "TRITON_CACHE_DIR": str(cache)}
    script = ROOT / "tests" / "losses" / "compile_kernels.py"
    answer = subprocess.run(
        [sys.executable, str(script), json.dumps(sizes)], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return [json.loads(line) for line in answer.stdout.splitlines()]


def check(sizes, cache):
    seen = compiled(sizes, cache)
    assert {name for _, _, name, _ in seen} == {"_columns_kernel", "_d_logits_kernel", "_occupation_kernel"}
    for capability, of_sizes, name, size in seen:
        assert size <= LIMITS[capability], (capability, of_sizes, name, size)
        if name != "_occupation_kernel":
            assert size <= joint_triton.SHARED_BYTES, (capability, of_sizes, name, size)
    return len(seen)


@pytest.mark.slow
def test_every_kernel_fits_into_the_shared_memory_of_every_gpu(tmp_path):
    joints = [[80, 1024, 8000, True, "tf32x3"], [90, 512, 500, False, "tf32x3"], [120, 320, 4000, False, "tf32x3"]]
    assert check([*joints, [80, 5], [90, 81], [120, 1024]], tmp_path) == 9


@pytest.mark.long
def test_every_kernel_fits_at_every_size(tmp_path):
    kinds = [(False, "tf32x3"), (True, "tf32")]
    grid = product(LIMITS, (128, 256, 320, 512, 640, 1024), (50, 500, 4000, 8000), kinds)
    rows = product(LIMITS, (2, 5, 10, 33, 64, 200, 513, recursion_triton.MOST_ROWS))
    sizes = [[*size, *kind] for *size, kind in grid] + [list(size) for size in rows]
    assert check(sizes, tmp_path) == 3 * 6 * 4 * 2 * 2 + 3 * 8


class Failing:
    """A kernel that does not compile, or needs what a device does not have."""

    def __init__(self, error):
        self.error, self.__name__, self.tries = error, "_failing_kernel", 0

    def __getitem__(self, grid):
        def launch(*args, **options):
            self.tries += 1
            raise self.error

        return launch


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Launches as on a GPU that has 100 kB; there is none in the tests."""

    class Properties:
        shared_memory_per_block_optin = 100_000

    class Device:
        def __init__(self, device):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(triton_launch, "interpreted", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(triton_launch, "_refused", set())
    monkeypatch.setenv(backends.BACKEND_VARIABLE, "triton")


@pytest.mark.parametrize(
    "error",
    [
        triton_launch.OutOfResources(300_000, 232_448, "shared memory"),
        RuntimeError("PassManager::run failed"),
        RuntimeError("Failed to find C compiler"),
        PermissionError("[Errno 13] Permission denied: '/nonexistent/.triton'"),
    ],
)
def test_what_does_not_start_is_done_by_others_and_said_once(error, on_a_gpu, monkeypatch, caplog):
    x, p, joint, targets, frames, labels = batch(3)
    monkeypatch.setenv(backends.BACKEND_VARIABLE, "torch")
    expected = pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels)
    leaves = [x, p, *joint.parameters()]
    gradients = torch.autograd.grad(expected.sum(), leaves)
    monkeypatch.setenv(backends.BACKEND_VARIABLE, "triton")
    monkeypatch.setattr(backends, "_works", lambda name, device: True)
    names = [(joint_triton, "_columns_kernel"), (joint_triton, "_d_logits_kernel")]
    names.append((recursion_triton, "_occupation_kernel"))
    kernels = [Failing(error) for _ in names]
    for kernel, (module, name) in zip(kernels, names):
        kernel.__name__ = name
        monkeypatch.setattr(module, name, kernel)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            loss = pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels)
            torch.testing.assert_close(loss, expected)
            torch.testing.assert_close(torch.autograd.grad(loss.sum(), leaves), gradients, atol=1e-6, rtol=1e-5)
    assert [kernel.tries for kernel in kernels] == [1, 1, 1]
    said = [record.message for record in caplog.records]
    assert len(said) == 3 and all(str(error).split("\n")[0] in message for message in said)


def test_a_gpu_with_too_little_shared_memory_is_not_even_tried(on_a_gpu, monkeypatch, caplog):
    kernel = Failing(AssertionError("tried"))
    tensor = torch.zeros(3)
    assert not triton_launch.started(kernel, (1,), tensor, shared_bytes=100_001)
    assert kernel.tries == 0 and "out of resource: shared memory" in caplog.text


def test_other_types_and_wider_bands_take_pytorch_and_say_so(monkeypatch, caplog):
    monkeypatch.setattr(triton_launch, "_refused", set())
    g = torch.Generator().manual_seed(0)
    inputs = [torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((6, 5), (7, 5), (7,))]
    inputs.append(torch.randint(1, 7, (6,), generator=g))
    kind = {"blank": 0, "factorized": False}
    torch.testing.assert_close(joint_triton.columns(*inputs, **kind), joint_torch.columns(*inputs, **kind))
    assert "columns_kernel does not run on cpu (torch.float64" in caplog.text
    monkeypatch.setattr(recursion_triton, "MOST_ROWS", 2)
    columns = torch.randn(2, 1, 4, 3, generator=g)
    band = torch.zeros(1, 4, dtype=torch.int32), torch.tensor([4]), torch.tensor([2])
    ours, expected = (x.occupation(*columns, *band) for x in (recursion_triton, recursion_numba))
    torch.testing.assert_close(ours, expected)
    assert "a band of 3 rows; at most 2" in caplog.text
