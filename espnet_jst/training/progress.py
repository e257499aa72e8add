"""What a person sees of an epoch: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_INTERVAL_S = 30.0


class TrackedBatches:
    """Batches of one epoch; passing them on shows how far it is.

    Args:
        batches: the batches.
        label: what to call the epoch, such as "epoch 3/20".
        loss: the latest loss, NaN before the first.
        tick: called after every batch.
        shown: whether this process of a distributed training is the one that shows it.

    Attributes:
        done: batches that were used; one that was only fetched does not count.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        *,
        label: str,
        loss: Callable[[], float] = lambda: math.nan,
        tick: Callable[[], None] = lambda: None,
        shown: bool = True,
    ) -> None:
        self.batches, self.label, self.loss, self.shown = batches, label, loss, shown
        self.done, self._tick = 0, tick

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # a TypeError tells ESPnet that the length is not known

    def __iter__(self) -> Iterator[Any]:
        if not self.shown:
            return self._silently()
        terminal = terminal_stream()
        return self._with_lines() if terminal is None else self._with_bar(terminal)

    def tick(self) -> None:
        """Count a batch that was used."""
        self.done += 1
        self._tick()

    def _total(self) -> int | None:
        try:
            return len(self)
        except TypeError:
            return None

    def _silently(self) -> Iterator[Any]:
        for batch in self.batches:
            yield batch
            self.tick()

    def _with_bar(self, terminal: TextIO) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        console = Console(file=terminal)
        with Progress(*columns, console=console, transient=True) as bar, _logging_above(bar):
            task = bar.add_task(self.label, total=self._total(), loss=math.nan)
            for batch in self.batches:
                yield batch
                bar.update(task, advance=1, loss=self.loss())
                self.tick()

    def _with_lines(self) -> Iterator[Any]:
        total = self._total()
        started = shown = time.monotonic()
        for done, batch in enumerate(self.batches, 1):
            yield batch
            self.tick()
            now = time.monotonic()
            if now - shown >= LINE_INTERVAL_S:
                shown = now
                left = f", {(now - started) / done * (total - done):.0f} s left" if total else ""
                print(f"{self.label}: {done}/{total or '?'} batches, loss {self.loss():.3f}{left}", file=sys.stderr)


def terminal_stream() -> TextIO | None:
    """Standard error where it is a terminal, else standard output where that is one (errors go to a log), else None."""
    for stream in (sys.stderr, sys.stdout):
        if stream is not None and stream.isatty():
            return stream
    return None


class _logging_above:
    """Let log records print above the bar, which moves the cursor of the same terminal."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.streams: list[tuple[logging.StreamHandler, TextIO]] = []

    def __enter__(self) -> None:
        # rich replaced sys.stderr by one that prints above its bar; handlers still hold the old one.
        for handler in logging.root.handlers:
            if type(handler) is logging.StreamHandler and handler.stream.isatty():
                self.streams.append((handler, handler.stream))
                handler.setStream(sys.stderr)

    def __exit__(self, *_: object) -> None:
        for handler, stream in self.streams:
            handler.setStream(stream)
