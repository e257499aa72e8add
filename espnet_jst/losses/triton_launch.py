"""Start Triton kernels, or say once that one cannot run on a device."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor
from triton.runtime.errors import OutOfResources

_refused: set[tuple[Hashable, ...]] = set()


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU, as they do in tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def start(kernel: Any, grid: tuple[int, ...], *args: Any, shared_bytes: int = 0, **options: Any) -> bool:
    """Start a kernel on the device of its first argument, whichever the current one is.

    Args:
        kernel: the kernel.
        grid: number of programs along each axis.
        args: its arguments, the first one a tensor.
        shared_bytes: shared memory that a program takes, where that is known before it is compiled.
        options: constants, and how to compile it.

    Returns:
        True.

    Raises:
        Exception: it does not compile, or needs what the device does not have.
    """
    if interpreted():
        kernel[grid](*args, **options)
        return True
    device = args[0].device
    limit = torch.cuda.get_device_properties(device).shared_memory_per_block_optin  # type: ignore[attr-defined]
    if shared_bytes > limit:
        raise OutOfResources(shared_bytes, limit, "shared memory")
    with torch.cuda.device(device):
        kernel[grid](*args, **options)
    return True


def started(kernel: Any, grid: tuple[int, ...], *args: Any, **options: Any) -> bool:
    """As `start`, but False where the kernel cannot run; it is not tried again, and said once a kernel and device."""
    tensors = [x.dtype for x in args if isinstance(x, Tensor)]
    key = (kernel.__name__, str(args[0].device), *tensors, *sorted(options.items()))
    if key in _refused:
        return False
    try:
        return start(kernel, grid, *args, **options)
    except Exception as error:  # of the compiler, its C compiler, its cache or the driver: training goes on without it
        if interpreted():
            raise
        _refused.add(key)
        refuse(kernel.__name__, args[0].device, f"{type(error).__name__}: {error}")
        return False


def refuse(name: str, device: torch.device, why: str) -> None:
    """Say once a kernel and device that PyTorch's own operations take its place."""
    key = name, str(device), "said"
    if key not in _refused:
        _refused.add(key)
        first_line = why.strip().split("\n")[0]
        logging.warning(
            f"the Triton kernel {name.strip('_')} does not run on {device} ({first_line}): the transducer loss takes "
            "PyTorch's operations, which are slower and give the same values"
        )
