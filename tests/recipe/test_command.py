from __future__ import annotations

import time

import pytest

from espnet_jst.errors import JSTError
from espnet_jst.recipe.command import python, run_logged, run_parallel
from espnet_jst.recipe.pool import run_shards, split, split_evenly


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


def test_parallel_commands_all_run_and_the_first_failure_stops_the_others(tmp_path):
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    run_parallel([python("-c", f"print({number})") for number in range(3)], logs, nj=2, title="")
    assert [log.read_text().splitlines()[-1] for log in logs] == ["0", "1", "2"]
    started = time.monotonic()
    commands = [python("-c", "import time; time.sleep(60)"), python("-c", "raise ValueError('two')")]
    with pytest.raises(JSTError, match="two"):
        run_parallel(commands, logs[:2], nj=2, title="")
    assert time.monotonic() - started < 30


def test_shards_keep_the_order_of_their_items():
    items = list(range(11))
    assert [list(shard) for shard in split(items, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert [len(shard) for shard in split_evenly(items, 4)] == [2, 3, 3, 3]
    assert [list(shard) for shard in split_evenly([1], 4)] == [[1]]
    assert run_shards(sum, split(items, 4), nj=1) == run_shards(sum, split(items, 4), nj=2) == [6, 22, 27]
