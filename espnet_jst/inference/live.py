"""The lanes on the terminal as they appear; plain lines where the output is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

import numpy as np

from espnet_jst.inference.audio.recording import packets
from espnet_jst.text.words import Word, attributed, said_by

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from espnet_jst.inference.session import Session

PACKET_S = 0.1
SECOND_PASS = "second pass"
NARROW = 30  # columns below which the names of the lanes are left out


def show_stream(
    session: Session,
    blocks: Iterable[np.ndarray],
    *,
    title: str = "",
    realtime: bool = False,
    stream: TextIO | None = None,
) -> list[Word]:
    """Push a recording in packets of 0.1 s and show each word when it comes.

    Args:
        session: a fresh session.
        blocks: the recording at the session's rate, checked (`Recording.blocks`), (n,) each.
        title: shown above the lanes.
        realtime: wait, so that the words come at the speed of speech.
        stream: where to write; standard output by default. A terminal gets growing lanes, of which the newest lines
            are shown where it is too small for all, and at the end all; anything else gets a line for each word:
            emission time, lane, speaker where one is known, word, and "?" where a second pass may replace it.

    Returns:
        All words, of a lane with two passes those of the second; where they were not shown, they are at the end.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        print(f"# {title}", file=stream)
        for _, new in _packets(session, blocks, realtime):
            for word in new:
                text = said_by(word.speaker, word.text if word.final else f"{word.text} ?")
                print(f"{word.emission_s:8.2f} s  {word.lane:<12} {text}", file=stream, flush=True)
        if session.result != session.words:
            for lane in session.lanes:
                text = attributed(word for word in session.result if word.lane == lane)
                print(f"# {SECOND_PASS}  {lane:<12} {text}", file=stream)
        return session.result
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    with Live(console=console, refresh_per_second=12, transient=True, vertical_overflow="crop") as live:
        for heard_s, _ in _packets(session, blocks, realtime):
            live.update(_table(title, session.lanes, session.words, heard_s, console, newest=True))
    console.print(_table(title, session.lanes, session.words, session.duration_s, console, newest=False))
    if session.result != session.words:
        console.print(_table(SECOND_PASS, session.lanes, session.result, session.duration_s, console, newest=False))
    return session.result


def _packets(session: Session, blocks: Iterable[np.ndarray], realtime: bool) -> Iterator[tuple[float, list[Word]]]:
    """Seconds heard and new words, packet by packet."""
    started, heard = time.monotonic(), 0
    for packet in packets(iter(blocks), max(1, round(PACKET_S * session.fs))):
        heard += len(packet)
        if realtime:
            time.sleep(max(0.0, started + heard / session.fs - time.monotonic()))
        yield heard / session.fs, session.feed(packet)
    yield heard / session.fs, session.finish()


def _table(
    title: str, lanes: Sequence[str], words: Sequence[Word], heard_s: float, console: Console, *, newest: bool
) -> Table:
    """A row a lane; with `newest` no higher than the terminal, as many of the last lines as fit."""
    from rich.table import Table
    from rich.text import Text

    width, height = console.width, console.height
    named = width >= NARROW
    headed = not newest or height > len(lanes) + 1
    # One column more would be wrapped by some terminals, and one line more scrolls the first one away.
    columns = max(1, width - 1 - (max(map(len, lanes)) + 2 if named else 0))
    lines = max(1, (height - 1 - headed) // len(lanes))
    table = Table.grid(padding=(0, 2, 0, 0))
    for lane in lanes:
        spoken = [word for word in words if word.lane == lane]
        # A line holds no more words than columns.
        text = Text(attributed(spoken[-columns * lines :] if newest else spoken))
        wrapped = list(text.wrap(console, columns)) if text else []
        shown = Text("\n").join(wrapped[-lines:] if newest else wrapped)
        table.add_row(*([Text(lane, style="bold")] if named else []), shown)
    outer = Table.grid()
    if headed:
        outer.add_row(Text(f"{heard_s:.1f} s  {title}", style="italic", no_wrap=True, overflow="ellipsis"))
    outer.add_row(table)
    return outer
