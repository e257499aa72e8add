"""Sharded work on local processes. A cluster scheduler takes the same (function, shards) in its place."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from espnet_jst.errors import JSTError

Item = TypeVar("Item")
Result = TypeVar("Result")


def progress_bar() -> Progress:
    """A bar on stderr with elapsed and remaining time; it vanishes when it is done, and is not shown in a log."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Neighbouring items in shards of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def split_evenly(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """Neighbouring items in at most `count` shards of nearly equal size, none empty."""
    count = max(1, min(count, len(items)))
    bounds = [len(items) * index // count for index in range(count + 1)]
    return [items[start:stop] for start, stop in pairwise(bounds)]


def run_shards(
    function: Callable[[Any], Result], shards: Sequence[Sequence[Any]], *, nj: int = 1, title: str = ""
) -> list[Result]:
    """Apply `function` to every shard, on `nj` processes.

    Args:
        function: a module-level function (or a partial of one): it travels to the processes.
        shards: one argument a call.
        nj: processes; 1 runs in this one.
        title: text before the bar.

    Returns:
        The results in the order of the shards.
    """
    results: list[Any] = [None] * len(shards)
    with progress_bar() as bar:
        task = bar.add_task(title, total=sum(len(shard) for shard in shards))
        if nj <= 1 or len(shards) <= 1:
            for index, shard in enumerate(shards):
                results[index] = function(shard)
                bar.advance(task, len(shard))
            return results
        # Not fork: the bar runs a thread, and a forked lock may stay locked.
        with ProcessPoolExecutor(min(nj, len(shards)), mp_context=multiprocessing.get_context("spawn")) as pool:
            futures = {pool.submit(function, shard): index for index, shard in enumerate(shards)}
            try:
                for future in as_completed(futures):
                    index = futures[future]
                    results[index] = future.result()
                    bar.advance(task, len(shards[index]))
            except BrokenProcessPool:
                raise JSTError(f"{title}: a worker was killed (memory?); try a smaller --nj") from None
    return results
