from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from espnet_jst.errors import JSTError
from espnet_jst.jobs.command import Job, failure, python, run_jobs, run_logged


def test_a_failed_command_is_reported_by_its_last_error_and_its_log(tmp_path):
    with pytest.raises(JSTError, match=r"^ValueError: seven \(log: .*x\.log\)$"):
        run_logged(python("-c", "print('before'); raise ValueError('seven')"), tmp_path / "x.log")


def test_the_error_of_an_earlier_run_in_the_same_log_is_not_repeated(tmp_path):
    log = tmp_path / "x.log"
    with pytest.raises(JSTError, match="first"):
        run_logged(python("-c", "raise ValueError('first')"), log, append=True)
    with pytest.raises(JSTError, match=r"^second \(log"):
        run_logged(python("-c", "raise SystemExit('second')"), log, append=True)
    assert "first" in log.read_text()


def test_a_killed_command_is_called_killed(tmp_path):
    with pytest.raises(JSTError, match="killed by signal 9"):
        run_logged(python("-c", "import os; os.kill(os.getpid(), 9)"), tmp_path / "x.log")


def job(folder, number, code):
    """A program that writes its folder as `code` says, into `out`."""
    start = "import pathlib, sys, time; out = pathlib.Path(sys.argv[2]); out.mkdir(); "
    return Job(python("-c", start + code), folder / f"output.{number}", folder / f"{number}.log")


def test_jobs_write_their_folders_and_logs(tmp_path):
    jobs = [job(tmp_path, number, f"(out / 'text').write_text('{number}'); print('seen')") for number in range(3)]
    run_jobs(jobs, nj=1, title="jobs")
    assert [(each.output / "text").read_text() for each in jobs] == ["0", "1", "2"]
    assert all(each.log.read_text().endswith("seen\n") for each in jobs)


def test_what_an_earlier_attempt_left_does_not_reach_the_output(tmp_path):
    once = job(tmp_path, 1, "(out / 'text').write_text('whole')")
    (tmp_path / "output.1.dead").mkdir()
    (tmp_path / "output.1.dead" / "text").write_text("ha")
    for _ in range(2):  # the second is an attempt that comes too late
        run_jobs([once], nj=1, title="jobs")
    assert (once.output / "text").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.log", "output.1", "output.1.dead"]


def test_the_first_failure_ends_the_other_jobs(tmp_path):
    sleeper = job(tmp_path, 1, "(out / 'pid').write_text(str(__import__('os').getpid())); time.sleep(100)")
    wait = f"\nwhile not list(pathlib.Path({str(tmp_path)!r}).glob('output.1.*/pid')): time.sleep(0.1)\n"
    with pytest.raises(JSTError, match=r"^ValueError: two \(log: .*2\.log\)$"):
        run_jobs([sleeper, job(tmp_path, 2, wait + "raise ValueError('two')")], nj=2, title="jobs")
    pid = int(next(tmp_path.glob("output.1.*/pid")).read_text())
    assert gone(pid)


def test_a_program_ends_with_the_process_that_started_it(tmp_path):
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(100)"
    code = f"from espnet_jst.jobs.command import *; run_logged(python('-c', {child!r}), Path({str(tmp_path)!r}) / 'x')"
    parent = subprocess.Popen(python("-c", code))
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_progress_bar_does_not_hide_the_error_behind_it(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"10 %\r50 %\rRuntimeError: no \xe2\x80\xa8 luck\n")
    assert failure(log, 1).startswith("RuntimeError: no \u2028 luck")
