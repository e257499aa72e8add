"""Timings and memory that other work on the machine disturbs little: CPU time, interleaved, medians."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median seconds of each run: all of them once to warm up, then `rounds` times one after the other."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = clock()
            run()
            seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def cuda_clock() -> float:
    """Seconds on the wall after everything on the GPU is done."""
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def peak_growth_mb(run: Callable[[], object]) -> float:
    """MB by which the resident memory of this process rises at most while `run` runs."""
    Path("/proc/self/clear_refs").write_text("5")  # the highest value so far is forgotten
    before = _status_kb("VmRSS")
    run()
    return (_status_kb("VmHWM") - before) / 1024


def resident_mb(process: int | str = "self") -> float:
    """MB of memory that a process has now."""
    return _status_kb("VmRSS", process) / 1024


def in_fresh_process(script: str, *arguments: str) -> dict:
    """The JSON that `python script arguments` prints as its last line."""
    answer = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"{script} {' '.join(arguments)} failed:\n{answer.stderr[-2000:]}")
    return json.loads(answer.stdout.strip().splitlines()[-1])


def hardware() -> str:
    """Processor, cores, GPU and versions, as they belong beside a figure."""
    import torch

    model = platform.processor() or "CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores{gpu}; {torch.backends.cpu.get_cpu_capability()}, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _status_kb(key: str, process: int | str = "self") -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)
