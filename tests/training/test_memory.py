"""Memory that a training step frees is there for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from espnet_jst.training.memory import ASKED

FAULTS = """
import resource, sys, torch
from espnet_jst.training.memory import keep_freed_memory

def step():
    for size in (300_000, 1_000_000, 2_500_000):  # floats; the largest are ten megabytes
        torch.ones(size).tanh() * 2

assert sys.argv[1] == "left" or keep_freed_memory()
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
NOTHING_ASKED = {name: value for name, value in os.environ.items() if name not in ASKED}

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


def _faults(kind: str) -> int:
    command = [sys.executable, "-c", FAULTS, kind]
    return int(subprocess.run(command, env=NOTHING_ASKED, check=True, capture_output=True, text=True).stdout)


def test_a_step_finds_the_pages_of_the_last_one() -> None:
    left, kept = _faults("left"), _faults("kept")
    assert left > 5 * max(kept, 1000)  # a busy system takes pages away by itself


def test_who_asked_for_something_else_gets_it() -> None:
    code = "from espnet_jst.training.memory import keep_freed_memory; print(keep_freed_memory())"
    env = {**NOTHING_ASKED, "MALLOC_TRIM_THRESHOLD_": "131072"}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
