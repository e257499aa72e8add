"""Both lanes on a terminal as they appear."""

from __future__ import annotations

import io
import time

from espnet_jst.inference.live import show_stream
from tests.inference import tiny


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_both_lanes_with_all_words() -> None:
    speech2text, speech, terminal = tiny.speech2text(tiny.config(tiny.SERIALIZED)), tiny.speech(2.0, seed=1), Terminal()
    words = show_stream(speech2text.session(), speech, title="a [b].wav", stream=terminal)
    shown = terminal.getvalue()
    assert words and words == speech2text.stream_result(_finished(speech2text, speech))[3].words
    assert "transcript" in shown and "translation" in shown and "a [b].wav" in shown
    assert all(word.text in shown for word in words)


def test_realtime_takes_as_long_as_the_speech() -> None:
    speech2text, started = tiny.speech2text(tiny.config(tiny.SERIALIZED)), time.monotonic()
    show_stream(speech2text.session(), tiny.speech(0.5), realtime=True, stream=io.StringIO())
    assert time.monotonic() - started >= 0.5


def _finished(speech2text, speech):
    session = speech2text.session()
    session.push(speech)
    session.finish()
    return session
