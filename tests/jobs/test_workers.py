"""A running scheduler, and files that name a cluster."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.jobs import workers as module
from espnet_jst.jobs.shards import run_each
from espnet_jst.jobs.workers import read_cluster, workers

# Workers import the package, and this module for the function that they run.
PYTHONPATH = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent), *sys.path])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Start `dask <arguments>` in an empty folder; all are killed at the end."""
    running = []
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}

    def start(*arguments: str) -> subprocess.Popen:
        with open(tmp_path / f"{len(running)}.log", "w") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            running.append(subprocess.Popen(command, cwd="/", stdout=log, stderr=log, env=environment))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def slowly(path: Path) -> str:
    """Write who works on a path, relative to the folder of the recipe."""
    with open(path, "a") as stream:
        stream.write(f"{os.getppid()} {os.getpid()}\n")
    if path.name == "2" and len(path.read_text().splitlines()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return str(path)


def test_a_running_scheduler_survives_the_loss_of_a_worker(start, tmp_path, monkeypatch):
    (tmp_path / "recipe").mkdir()
    monkeypatch.chdir(tmp_path / "recipe")
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rsplit(":", 1)[1]
    start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    for _ in range(2):
        start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    paths = [Path(f"{number}") for number in range(5)]
    with workers(address):
        assert run_each(slowly, paths, nj=2, title="write") == ["0", "1", "2", "3", "4"]
        assert run_each(slowly, [Path("single")]) == ["single"]
    pids = [[line.split()[1] for line in path.read_text().splitlines()] for path in [*paths, Path("single")]]
    # What else the lost worker had finished may be run again with it, if its result was not fetched yet.
    assert len(pids[2]) == 2 and pids[2][0] != pids[2][1]
    assert all(1 <= len(lines) <= 2 for lines in pids)
    assert str(os.getpid()) not in [pid for lines in pids for pid in lines]


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    with (
        workers("tcp://127.0.0.1:9") as pool,
        pytest.raises(ConfigError, match=r"tcp://127.0.0.1:9: no Dask scheduler"),
    ):
        pool.client(1)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster: SLURMClutser", "'SLURMClutser' is not one of .*did you mean 'SLURMCluster'"),
        ("cluster: os.system", "'os.system' is not one of KubeCluster, PBSCluster, SLURMCluster"),
        ("arguments: {cores: 1}", "'None' is not one of"),
        ("cluster: SLURMCluster\nargs: {cores: 1}", "unknown key 'args'.*did you mean 'arguments'"),
        ("cluster: SLURMCluster\narguments: {core: 1}", "arguments: unknown key 'core'.*did you mean 'cores'"),
        ("cluster: SLURMCluster\narguments: {job_cls: os.system}", "arguments: unknown key 'job_cls'"),
        ("cluster: PBSCluster\narguments: [cores]", "arguments must map"),
        ("[1]", "holds no mapping"),
    ],
)
def test_a_wrong_cluster_file_is_one_message(tmp_path, text, message):
    if "arguments: {" in text and "cluster: " in text:
        pytest.importorskip("dask_jobqueue")
    with pytest.raises(ConfigError, match=rf"(?s)cluster\.yaml.*{message}"):
        read_cluster(write(tmp_path, text))


def test_arguments_that_the_cluster_refuses_are_one_message(tmp_path):
    pytest.importorskip("dask_jobqueue")
    path = write(tmp_path, "cluster: SLURMCluster\narguments: {cores: 1}")
    with workers(str(path)) as pool, pytest.raises(ConfigError, match=r"cluster\.yaml: SLURMCluster refuses.*memory"):
        pool.client(1)


def test_a_missing_file_stops_before_the_first_stage(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read"):
        with workers(str(tmp_path / "no.yaml")):
            pass


@pytest.mark.slow
def test_a_slurm_file_starts_jobs_and_replaces_one_that_ends(tmp_path, monkeypatch):
    """`sbatch` and `scancel` are stand-ins that run a job on this machine; everything else is dask-jobqueue's."""
    pytest.importorskip("dask_jobqueue")
    commands = {
        "sbatch": 'cp "$1" job\nsetsid bash job >> job.log 2>&1 &\necho $! >> jobs\necho "Submitted job $!"\nsleep 0.5',
        "scancel": 'echo "$1" >> cancelled; kill -9 -- "-$1"',
    }
    for name, body in commands.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\ncd {tmp_path}\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.chdir(tmp_path)
    options = "{cores: 1, memory: 1GB, processes: 1, interface: lo, nanny: false, queue: cpu, walltime: '00:10:00'}"
    with workers(str(write(tmp_path, f"cluster: SLURMCluster\narguments: {options}"))):
        assert run_each(slowly, [Path(f"{number}") for number in range(4)], nj=1) == ["0", "1", "2", "3"]
    assert len(Path("2").read_text().splitlines()) == 2
    assert len(Path("jobs").read_text().splitlines()) >= 2
    time.sleep(0.2)
    assert Path("cancelled").exists()
