"""Programs that a stage starts: output to a log file, one message when one fails."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_jst.errors import JSTError
from espnet_jst.recipe.pool import progress_bar

COMMAND = "# command: "
ERROR = re.compile(r"(\S+: )?error: |[\w.]*(Error|Exception)\b", re.IGNORECASE)


def python(*arguments: object) -> list[str]:
    """Command line of this Python with the given arguments."""
    return [sys.executable, *(str(argument) for argument in arguments)]


def run_logged(command: Sequence[str], log: Path, *, show: bool = False, append: bool = False) -> None:
    """Run a command, its messages (stderr) going to `log`.

    Args:
        show: leave its standard output (a progress bar, a summary) on the terminal instead of in the log.
        append: keep what the log holds.

    Raises:
        JSTError: it failed; the message holds the last error and the log file.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a" if append else "w", encoding="utf-8") as stream:
        stream.write(f"{COMMAND}{shlex.join(command)}\n")
        stream.flush()
        code = subprocess.run(command, stdout=None if show else stream, stderr=stream, check=False).returncode
    if code:
        raise JSTError(failure(log, code))


def run_parallel(commands: Sequence[Sequence[str]], logs: Sequence[Path], *, nj: int, title: str) -> None:
    """Run commands, `nj` at a time, each with its log; the first failure stops the others.

    Raises:
        JSTError: one failed; the message holds its last error and its log file.
    """
    waiting = list(zip(commands, logs))
    running: list[tuple[subprocess.Popen, Path]] = []
    threads = str(max(1, (os.cpu_count() or 1) // max(1, nj)))
    environment = {"OMP_NUM_THREADS": threads, **os.environ} if nj > 1 else None
    with progress_bar() as bar:
        task = bar.add_task(title, total=len(commands))
        try:
            while waiting or running:
                while waiting and len(running) < nj:
                    command, log = waiting.pop(0)
                    log.parent.mkdir(parents=True, exist_ok=True)
                    with open(log, "w", encoding="utf-8") as stream:
                        stream.write(f"{COMMAND}{shlex.join(command)}\n")
                        stream.flush()
                        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
                    running.append((process, log))
                for entry in list(running):
                    process, log = entry
                    try:
                        code = process.wait(timeout=0.1)
                    except subprocess.TimeoutExpired:
                        continue
                    running.remove(entry)
                    if code:
                        raise JSTError(failure(log, code))
                    bar.advance(task)
        finally:
            for process, _ in running:
                process.kill()
                process.wait()


def failure(log: Path, code: int) -> str:
    """The message about a failed command: its last line that reads like an error, and where the rest is."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    # A log that is appended to holds earlier runs too.
    last = max((index for index, line in enumerate(lines) if line.startswith(COMMAND)), default=-1)
    lines = [line for line in lines[last + 1 :] if line]
    errors = [line for line in lines if ERROR.match(line)]
    reason = (errors or lines or ["no message"])[-1]
    if code < 0:
        reason = f"killed by signal {-code} (out of memory?)" if not errors else reason
    return f"{reason} (log: {log})"
