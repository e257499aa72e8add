"""Programs that a stage starts: output to a log file, one message when one fails."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from espnet_jst.errors import JSTError
from espnet_jst.jobs.shards import run_each
from espnet_jst.jobs.workers import THREADS, workers

PR_SET_PDEATHSIG = 1  # linux/prctl.h
COMMAND = "# command: "
ERROR = re.compile(r"(\S+: )?error: |[\w.]*(Error|Exception)\b", re.IGNORECASE)


def python(*arguments: object) -> list[str]:
    """Command line of this Python with the given arguments."""
    return [sys.executable, *(str(argument) for argument in arguments)]


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    show: bool = False,
    append: bool = False,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command, its messages (stderr) going to `log`. It ends with this process, even if that is killed.

    Args:
        show: leave its standard output (a progress bar, a summary) on the terminal instead of in the log.
        environment: variables to set besides those of this process.

    Raises:
        JSTError: it failed; the message holds the last error and the log file.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a" if append else "w", encoding="utf-8") as stream:
        stream.write(f"{COMMAND}{shlex.join(command)}\n")
        stream.flush()
        code = subprocess.run(
            command,
            stdout=None if show else stream,
            stderr=stream,
            check=False,
            env={**os.environ, **(environment or {})},
            preexec_fn=_end_with_parent,
        ).returncode
    if code:
        raise JSTError(failure(log, code))


_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # looked up before the fork


def _end_with_parent() -> None:
    """In a new process: be killed when its parent ends. A worker that is killed would leave its program running."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Job:
    """A program that writes a folder, which it is told as `--output_dir`."""

    command: Sequence[str]
    output: Path
    log: Path

    def __str__(self) -> str:
        return f"{self.output}"


def run_jobs(jobs: Sequence[Job], *, nj: int, title: str) -> None:
    """Run programs, `nj` at a time, on the workers of the run; the first failure ends the others of this machine.

    Raises:
        JSTError: one failed; the message holds its last error and its log file.
    """
    run_each(partial(_run_job, environment=thread_limits(nj)), jobs, nj=nj, title=title)


def thread_limits(nj: int) -> dict[str, str]:
    """Variables for each of `nj` programs that share this machine's cores; the user's own go before them."""
    if nj <= 1:
        return {}
    threads = str(max(1, (os.cpu_count() or 1) // nj))
    with workers() as pool:  # Dask gives its workers one thread
        return {name: pool.environment.get(name, threads) for name in THREADS}


def _run_job(job: Job, *, environment: Mapping[str, str]) -> None:
    # A worker that is taken for lost may still be writing: every attempt has a folder of its own.
    attempt = job.output.with_name(f"{job.output.name}.{uuid4().hex[:8]}")
    run_logged([*job.command, "--output_dir", f"{attempt}"], job.log, append=True, environment=environment)
    try:
        attempt.rename(job.output)
    except OSError:
        if not job.output.is_dir():
            raise
        shutil.rmtree(attempt)  # the other attempt was faster


def failure(log: Path, code: int) -> str:
    """The message about a failed command: its last line that reads like an error, and where the rest is."""
    # Of a line that a progress bar has written over, the last form.
    text = log.read_bytes().decode("utf-8", errors="replace")
    lines = [line.strip().rsplit("\r", 1)[-1].strip() for line in text.split("\n")]
    # A log that is appended to holds earlier runs too.
    last = max((index for index, line in enumerate(lines) if line.startswith(COMMAND)), default=-1)
    lines = [line for line in lines[last + 1 :] if line]
    errors = [line for line in lines if ERROR.match(line)]
    reason = (errors or lines or ["no message"])[-1]
    if code < 0:
        reason = f"killed by signal {-code} (out of memory?)" if not errors else reason
    return f"{reason} (log: {log})"
