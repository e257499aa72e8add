"""What the C library does with memory that PyTorch frees on the CPU."""

from __future__ import annotations

import ctypes
import os

# Parameters of mallopt by their numbers in glibc's malloc.h, and bytes. A threshold above 32 MiB is refused.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = {M_TRIM_THRESHOLD: 1 << 30, M_TOP_PAD: 64 << 20, M_MMAP_THRESHOLD: 32 << 20}
ASKED = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Keep up to a gibibyte of freed memory for the next tensors. Returns whether that was asked of the C library.

    By default glibc hands every large piece back to the system as soon as it is freed, and the next step of the
    training gets its pages one by one, each of them zeroed: tens of thousands of page faults a step, a tenth of its
    time. Nothing is done where the environment says something about it, or where there is no glibc.
    """
    if any(name in os.environ for name in ASKED):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (AttributeError, OSError):  # musl, macOS
        return False
    return all([mallopt(parameter, value) == 1 for parameter, value in KEPT.items()])
