"""Sharded work: the same function on many pieces of data, on the workers of the run, under one progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from espnet_jst.errors import JSTError
from espnet_jst.jobs.workers import workers
from espnet_jst.progress import progress

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Neighbouring items in shards of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def split_evenly(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """Neighbouring items in at most `count` shards of nearly equal size, none empty."""
    count = max(1, min(count, len(items)))
    bounds = [len(items) * index // count for index in range(count + 1)]
    return [items[start:stop] for start, stop in pairwise(bounds)]


def run_shards(
    function: Callable[[Sequence[Item]], Result], shards: Sequence[Sequence[Item]], *, nj: int = 1, title: str = ""
) -> list[Result]:
    """Apply `function` to every shard, on the workers of the run (`workers`).

    A shard whose worker is lost is run again by another, up to three times: `function` must leave the same files behind
    when it runs twice, even at the same time.

    Args:
        function: a module-level function (or a partial of one): it travels to the workers.
        shards: one argument a call; items say by `str` what they are.
        nj: shards at a time; with 1, or a single shard, they run in this process, unless a scheduler was named.

    Returns:
        The results in the order of the shards.

    Raises:
        JSTError: a shard failed; the message names its items.
    """
    if not shards:
        return []  # no cluster is asked for no workers, and no bar is shown
    results: list[Any] = [None] * len(shards)
    with progress(title, sum(len(shard) for shard in shards)) as advance, workers() as pool:
        here = pool.local and (nj <= 1 or len(shards) <= 1)
        calls = _here(function, shards) if here else _away(pool.client(min(nj, len(shards))), function, shards, nj)
        with closing(calls):  # on an error, cancels what still waits
            for index, result in calls:
                try:
                    results[index] = result()
                except Exception as error:
                    raise _explain(error, shards[index], title) from error
                advance(len(shards[index]))
    return results


def run_each(
    function: Callable[[Item], Result], items: Sequence[Item], *, nj: int = 1, title: str = ""
) -> list[Result]:
    """As `run_shards`, for items that are worth a shard each; `function` takes one."""
    return run_shards(partial(_only, function), [[item] for item in items], nj=nj, title=title)


def _only(function: Callable[[Item], Result], shard: Sequence[Item]) -> Result:
    (item,) = shard
    return function(item)


# (number of the shard, what gives its result or raises its error)
Calls = Generator[tuple[int, Callable[[], Any]], None, None]


def _here(function: Callable[[Any], Any], shards: Sequence[Sequence[Any]]) -> Calls:
    for index, shard in enumerate(shards):
        yield index, partial(function, shard)


def _away(client: Client, function: Callable[[Any], Any], shards: Sequence[Sequence[Any]], nj: int) -> Calls:
    from distributed import KilledWorker, as_completed

    waiting = iter(range(len(shards)))
    numbers: dict[Any, int] = {}
    suspects: list[int] = []

    def submit(some: Iterable[int]) -> list[Any]:
        # Pure would mean that a shard seen before is not run again.
        more = {client.submit(_call, Path.cwd(), function, shards[i], pure=False): i for i in some}
        numbers.update(more)
        return list(more)

    try:
        done = as_completed(submit(islice(waiting, nj)), loop=client.loop)
        for future in done:
            number = numbers.pop(future)
            if isinstance(future.exception(), KilledWorker):
                suspects.append(number)
            else:
                yield number, future.result
            done.update(submit(islice(waiting, 1)))
        # Dask blames every shard that was at a worker when it was lost; alone, each shows whether it was the one.
        for number in suspects:
            [future] = submit([number])
            yield number, future.result
            del numbers[future]
    finally:
        client.cancel(list(numbers))


def _call(folder: Path, function: Callable[[Any], Any], shard: Sequence[Any]) -> Any:
    os.chdir(folder)  # the paths of a recipe start at its folder
    return function(shard)


def _explain(error: Exception, shard: Sequence[Any], title: str) -> JSTError:
    """One message that names the items of a shard; an error of the package names its own."""
    if isinstance(error, JSTError):
        return error
    items = f"{shard[0]}" if len(shard) == 1 else f"{shard[0]} to {shard[-1]}"
    reason = {
        "KilledWorker": "every worker that tried was lost (out of memory?); try a smaller --nj",
        "FutureCancelledError": "the Dask scheduler was lost",
    }.get(type(error).__name__, f"{type(error).__name__}: {error}")
    return JSTError(f"{title}: {items}: {reason}")
