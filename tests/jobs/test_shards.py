"""Shards on real workers: processes of this machine that are killed while they work."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import dask
import distributed  # noqa: F401  before dask.config.set, which would take its settings away at the end
import pytest

from espnet_jst.errors import DataError, JSTError
from espnet_jst.jobs.shards import run_each, run_shards, split, split_evenly
from espnet_jst.jobs.workers import DASK_VARIABLES, workers


@pytest.fixture(scope="module", autouse=True)
def pool():
    # One lost worker is enough to give a shard up, where the test means to lose them all.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), workers() as pool:
        yield pool


def write(items: list[int], *, folder: Path, slow: int) -> int:
    """Write a file an item; the first time that item `slow` is written, say who does and sleep until killed."""
    for item in items:
        if item == slow and not (folder / "pid").exists():
            (folder / f"{item}").write_text("half a ")
            (folder / "pid.new").write_text(f"{os.getpid()}")
            (folder / "pid.new").rename(folder / "pid")
            time.sleep(60)
        (folder / f"{item}").write_text(f"{item} of {folder.name}")
    return sum(items)


def kill_the_writer(folder: Path) -> threading.Thread:
    def kill() -> None:
        while not (folder / "pid").exists():
            time.sleep(0.05)
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def test_nothing_to_do_asks_for_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espnet_jst.jobs.shards.workers", lambda: pytest.fail("workers were asked for"))
    assert run_each(str, [], nj=4, title="nothing") == []


def test_shards_keep_the_order_of_their_items():
    items = list(range(11))
    assert [list(shard) for shard in split(items, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert [len(shard) for shard in split_evenly(items, 4)] == [2, 3, 3, 3]
    assert [list(shard) for shard in split_evenly([1], 4)] == [[1]]
    assert run_shards(sum, split(items, 4), nj=1) == run_shards(sum, split(items, 4), nj=2) == [6, 22, 27]
    assert run_each(abs, [-1, 2, -3], nj=2) == [1, 2, 3]


def test_a_killed_workers_shard_is_run_again_and_the_output_is_the_same(tmp_path):
    for name in ("out", "killed/out"):
        (tmp_path / name).mkdir(parents=True)
    work = partial(write, slow=-1, folder=tmp_path / "out")
    expected = run_shards(work, split(range(8), 2), nj=2, title="write")
    killer = kill_the_writer(tmp_path / "killed" / "out")
    work = partial(write, slow=3, folder=tmp_path / "killed" / "out")
    assert run_shards(work, split(range(8), 2), nj=2, title="write") == expected
    killer.join(timeout=1)
    assert not killer.is_alive()
    (tmp_path / "killed" / "out" / "pid").unlink()
    contents = [{p.name: p.read_text() for p in (tmp_path / n).iterdir()} for n in ("out", "killed/out")]
    assert contents[0] == contents[1]


def die(item: str) -> None:
    if item == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_shard_that_no_worker_survives_is_named():
    with pytest.raises(JSTError, match=r"^write: deadly: every worker that tried was lost \(out of memory\?\)"):
        run_each(die, ["fine", "deadly", "fine too"], nj=2, title="write")


def test_a_worker_that_takes_long_to_come_back_is_replaced():
    """On a busy machine: Dask takes it from the list after a quarter of a minute, and everything waited for ever."""
    # So short a time that workers that have just come back are taken from the list as well: who is blamed is luck.
    lost = pytest.raises(JSTError, match="every worker that tried was lost")
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}), lost:
        run_each(die, ["fine", "deadly", "fine too"], nj=2, title="write")


def test_the_paths_of_the_caller_hold_on_the_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_each(os.path.abspath, ["x", "y"], nj=2) == [str(tmp_path / "x"), str(tmp_path / "y")]


def half(items: list[str]) -> None:
    if "a" in items:  # only one shard: of two that fail, either may be the first
        raise ZeroDivisionError("half of nothing")


def refuse(items: list[str]) -> None:
    raise DataError(f"{items[0]}: too loud; record it again")


@pytest.mark.parametrize("nj", [1, 2])
def test_a_shard_that_fails_is_one_message_that_names_its_items(nj):
    with pytest.raises(JSTError, match=r"^halve: a to c: ZeroDivisionError: half of nothing$"):
        run_shards(half, [["a", "b", "c"], ["d"]], nj=nj, title="halve")
    with pytest.raises(DataError, match=r"^a: too loud; record it again$"):
        run_shards(refuse, [["a", "b"], ["a"]], nj=nj, title="halve")


def test_what_runs_after_the_workers_has_the_threads_of_before(pool):
    # Dask sets one thread for every program, here and not only in its workers: a training would take one core.
    run_each(pid_of, range(2), nj=2)
    set_by_dask = [name for name in DASK_VARIABLES if os.environ.get(name) != pool.environment.get(name)]
    pool.close()
    assert "PYTHONHASHSEED" in set_by_dask or "PYTHONHASHSEED" in pool.environment
    assert all(os.environ.get(name) == pool.environment.get(name) for name in DASK_VARIABLES)


def test_workers_are_reused_and_come_back_after_a_break(pool):
    before = set(run_each(pid_of, range(6), nj=2))
    assert set(run_each(pid_of, range(6), nj=2)) <= before
    pool.close()
    assert not set(run_each(pid_of, range(6), nj=2)) & before


def pid_of(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()
