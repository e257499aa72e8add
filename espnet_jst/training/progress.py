"""What a person sees of a training: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_INTERVAL_S = 60.0


@dataclass
class Course:
    """How far a training is, over all its epochs.

    Attributes:
        done: steps that were taken, those of earlier runs included.
        planned: steps of the whole training; None where that is not known.
    """

    done: int = 0
    planned: int | None = None
    _taken: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def plan(self, done: int, planned: int) -> None:
        """Set both numbers, at the start of an epoch."""
        self.done, self.planned = done, planned

    def start(self) -> None:
        """Begin to count the time, unless steps were taken already."""
        if not self._taken:
            self._begun = self._said = time.monotonic()

    def step(self) -> None:
        """Count a step."""
        self.done, self._taken = self.done + 1, self._taken + 1

    def steps(self) -> str:
        """Such as "step 80/400"."""
        return f"step {self.done}" + ("" if self.planned is None else f"/{self.planned}")

    def left(self) -> str:
        """Such as "12 min left", with all that comes between steps; empty where it is not known."""
        if self.planned is None or not self._taken:
            return ""
        seconds = (time.monotonic() - self._begun) / self._taken * max(0, self.planned - self.done)
        return f"{time_span(seconds)} left"

    def is_due(self) -> bool:
        """Whether a minute is over since this last was true."""
        now = time.monotonic()
        due = now - self._said >= LINE_INTERVAL_S
        self._said = now if due else self._said
        return due


def time_span(seconds: float) -> str:
    """A time in the unit that a person would choose."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class TrackedBatches:
    """Batches of one epoch; passing them on shows how far it is.

    Args:
        batches: the batches.
        label: what to call the epoch, such as "epoch 3/20".
        course: of the training.
        training: each batch is a step of the training; False for a validation.
        loss: the latest loss, None before the first.
        begin: called before every batch.
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
        course: Course | None = None,
        training: bool = True,
        loss: Callable[[], float | None] = lambda: None,
        begin: Callable[[], None] = lambda: None,
        tick: Callable[[], None] = lambda: None,
        shown: bool = True,
    ) -> None:
        self.batches, self.label, self.course, self.training = batches, label, course or Course(), training
        self.loss, self.shown = loss, shown
        self.done, self._begin, self._tick = 0, begin, tick

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # a TypeError tells ESPnet that the length is not known

    def __iter__(self) -> Iterator[Any]:
        self.course.start()
        if not self.shown:
            return self._silently()
        terminal = terminal_stream()
        return self._with_lines() if terminal is None else self._with_bar(terminal)

    def tick(self) -> None:
        """Count a batch that was used."""
        self.done += 1
        if self.training:
            self.course.step()
        self._tick()

    def _total(self) -> int | None:
        try:
            return len(self)
        except TypeError:
            return None

    def _loss_text(self) -> str:
        loss = self.loss()
        return "loss -" if loss is None else f"loss {loss:.3f}"

    def _silently(self) -> Iterator[Any]:
        for batch in self.batches:
            self._begin()
            yield batch
            self.tick()

    def _with_bar(self, terminal: TextIO) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        console = Console(file=terminal)
        with Progress(*columns, console=console, transient=True) as bar, _logging_above(bar):
            texts = self._loss_text(), self.course.left()
            task = bar.add_task(self.label, total=self._total(), loss=texts[0], left=texts[1])
            for batch in self.batches:
                self._begin()
                yield batch
                self.tick()
                bar.update(task, advance=1, loss=self._loss_text(), left=self.course.left())

    def _with_lines(self) -> Iterator[Any]:
        total = self._total()
        for batch in self.batches:
            self._begin()
            yield batch
            self.tick()
            if self.course.is_due():
                where = self.course.steps() if self.training else f"batch {self.done}/{total or '?'}"
                parts = [f"{self.label}, {where}", self._loss_text(), self.course.left()]
                say(", ".join(part for part in parts if part))


def say(line: str) -> None:
    """A line on standard output, which a recipe shows while messages go to a log. Nobody need be listening."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


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
