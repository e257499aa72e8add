"""Both lanes on the terminal as they appear; plain lines where the output is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import numpy as np

from espnet_jst.text.words import TRANSCRIPT, TRANSLATION, Word, join_words

if TYPE_CHECKING:
    from rich.table import Table

    from espnet_jst.inference.session import Session

PACKET_S = 0.1


def show_stream(
    session: Session, samples: np.ndarray, *, title: str = "", realtime: bool = False, stream: TextIO | None = None
) -> list[Word]:
    """Push a recording in packets of 0.1 s and show each word when it comes.

    Args:
        session: a fresh session.
        samples: the recording at the session's rate, (n,).
        title: shown above the lanes.
        realtime: wait, so that the words come at the speed of speech.
        stream: where to write; standard output by default. A terminal gets two growing lanes, anything else a line
            for each word: emission time, lane, word.

    Returns:
        All words.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        print(f"# {title}", file=stream)
        words = []
        for _, new in _packets(session, samples, realtime):
            words += new
            for word in new:
                print(f"{word.emission_s:8.2f} s  {word.lane:<12} {word.text}", file=stream, flush=True)
        return words
    from rich.console import Console
    from rich.live import Live

    words = []
    with Live(_table(title, words, 0.0), console=Console(file=stream), refresh_per_second=12) as live:
        for heard_s, new in _packets(session, samples, realtime):
            words += new
            live.update(_table(title, words, heard_s))
    return words


def _packets(session: Session, samples: np.ndarray, realtime: bool):
    """Seconds heard and new words, packet by packet."""
    size, started = max(1, round(PACKET_S * session.fs)), time.monotonic()
    for start in range(0, len(samples), size):
        heard_s = min(start + size, len(samples)) / session.fs
        if realtime:
            time.sleep(max(0.0, started + heard_s - time.monotonic()))
        yield heard_s, session.push(samples[start : start + size])
    yield len(samples) / session.fs, session.finish()


def _table(title: str, words: Sequence[Word], heard_s: float) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(title)}  {heard_s:.1f} s", show_header=False, expand=True, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(ratio=1)
    lanes = dict.fromkeys([TRANSCRIPT, TRANSLATION, *(word.lane for word in words)])
    for lane in lanes:
        table.add_row(lane, escape(join_words(word for word in words if word.lane == lane)))
    return table
