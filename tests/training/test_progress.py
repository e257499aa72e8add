"""What an epoch shows, on a terminal and in a log."""

import io
import logging
import sys

import pytest

from espnet_jst.training import progress
from espnet_jst.training.progress import TrackedBatches


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_batches_pass_unchanged_and_each_ticks(monkeypatch):
    ticks = []
    tracked = TrackedBatches([1, 2, 3], label="epoch 1/2", tick=lambda: ticks.append(1))
    assert len(tracked) == 3
    assert list(tracked) == [1, 2, 3]
    assert len(ticks) == 3


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    list(TrackedBatches([1, 2], label="epoch 3/20", loss=lambda: 1.25))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("epoch 3/20: 1/2 batches, loss 1.250, ") and lines[0].endswith(" s left")
    assert len(lines) == 2


def test_a_terminal_gets_a_bar_and_log_lines_above_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.root, "handlers", [handler])
    monkeypatch.setenv("TERM", "xterm")
    for batch in TrackedBatches([1, 2], label="epoch 3/20", loss=lambda: 1.25):
        logging.root.warning("message %d", batch)
    assert "epoch 3/20" in terminal.getvalue() and "1.250" in terminal.getvalue()
    assert "message 1" in terminal.getvalue()
    assert handler.stream is terminal


def test_an_unknown_length_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    tracked = TrackedBatches(iter([1]), label="epoch 1/1")
    with pytest.raises(TypeError):
        len(tracked)
    assert list(tracked) == [1]
    assert "1/? batches" in capsys.readouterr().err
