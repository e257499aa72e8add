"""Both lanes on a terminal as they appear."""

from __future__ import annotations

import io
import re
import time

import numpy as np
import pytest
from rich.console import Console

from espnet_jst.inference.live import _table, show_stream
from espnet_jst.text.words import Word
from tests.inference import tiny


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_both_lanes_with_all_words() -> None:
    speech2text, speech, terminal = tiny.speech2text(tiny.config(tiny.SERIALIZED)), tiny.speech(2.0, seed=1), Terminal()
    words = show_stream(speech2text.session(), [speech], title="a [b].wav", stream=terminal)
    shown = terminal.getvalue()
    assert words and words == speech2text.stream_result(_finished(speech2text, speech))[3].words
    assert "transcript" in shown and "translation" in shown and "a [b].wav" in shown
    assert all(word.text in shown for word in words)


def test_realtime_takes_as_long_as_the_speech() -> None:
    speech2text, started = tiny.speech2text(tiny.config(tiny.SERIALIZED)), time.monotonic()
    show_stream(speech2text.session(), [tiny.speech(0.5)], realtime=True, stream=io.StringIO())
    assert time.monotonic() - started >= 0.5


class Recorded:
    """A session that says a word a packet."""

    fs, duration_s = 8000, 20.0
    lanes = ("transcript", "translation")

    def __init__(self) -> None:
        self.words = self.result = list[Word]()

    def feed(self, samples: np.ndarray) -> list[Word]:
        said = len(self.words) + 1
        self.words.append(Word(f"w{said}", self.lanes[said % 2], 0.0, 0.0, 0.1 * said))
        return self.words[-1:]

    def finish(self) -> list[Word]:
        return []


@pytest.mark.parametrize(("columns", "lines"), [(40, 6), (20, 4), (80, 24), (12, 2), (40, 3)])
def test_a_small_terminal_shows_the_newest_words_and_at_the_end_all(
    monkeypatch: pytest.MonkeyPatch, columns: int, lines: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    console = Console(file=Terminal(), width=columns, height=lines)
    words = [word for session in [Recorded()] for _ in range(600) for word in session.feed(np.zeros(1))]
    with console.capture() as captured:
        console.print(_table("a very long name of a recording.wav", Recorded.lanes, words, 20.0, console, newest=True))
    shown = re.sub("\x1b[^m]*m", "", captured.get()).rstrip("\n").splitlines()
    assert len(shown) < max(lines, 3) and all(len(line) <= columns for line in shown)
    assert "w599" in captured.get() and "w600" in captured.get() and "w1 " not in captured.get()
    terminal = Terminal()
    show_stream(Recorded(), [np.zeros(800 * 200, dtype=np.float32)], title="x", stream=terminal)
    end = terminal.getvalue()[terminal.getvalue().rindex("20.0 s") :]
    assert all(f"w{n}" in end for n in range(1, 201))


def _finished(speech2text, speech):
    session = speech2text.session()
    session.push(speech)
    session.finish()
    return session


def test_a_word_names_its_speaker() -> None:
    class Conversation(Recorded):
        def feed(self, samples: np.ndarray) -> list[Word]:
            self.words.append(Word("seven", "transcript", 0.0, 0.1, 0.1, speaker="other"))
            return self.words[-1:]

    lines = io.StringIO()
    show_stream(Conversation(), [np.zeros(800, dtype=np.float32)], stream=lines)
    assert lines.getvalue().splitlines()[1].endswith("transcript   [other] seven")
    terminal = Terminal()
    show_stream(Conversation(), [np.zeros(1600, dtype=np.float32)], stream=terminal)
    assert "[other] seven seven" in terminal.getvalue()
